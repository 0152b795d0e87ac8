import { existsSync } from 'node:fs'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

const executablePath = process.env['THROUGHLINE_CHROMIUM'] ?? '/usr/bin/chromium'

/** Why there is no browser to test with, or undefined. */
export const noBrowser = existsSync(executablePath)
  ? undefined
  : `no Chromium at ${executablePath}; install it or set THROUGHLINE_CHROMIUM`

export function launch(): Promise<Browser> {
  const quiet = ['quic', 'background-networking', 'component-update', 'sync'].map((part) => `--disable-${part}`)
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run', ...quiet] })
}

/** A page that remembers what went wrong on it: errors, refused content, dialogs. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; troubles: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const troubles: string[] = []
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('console', (line) => {
    // A failed request is logged by the browser itself; the tests cause some on purpose.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource')) troubles.push(line.text())
  })
  page.on('dialog', (dialog) => {
    troubles.push(`dialog ${dialog.message()}`)
    void dialog.dismiss().catch((error: unknown) => troubles.push(String(error)))
  })
  page.setDefaultTimeout(20_000)
  await page.goto(url)
  return { page, troubles }
}
