import { existsSync } from 'node:fs'
import tap, { test, type Test } from 'tap'
import { chromium, type Page } from 'playwright-core'
import { startAgent } from '../src/support/agent.js'
import { startEngineProcess } from '../src/support/engine.js'
import { freshDatabaseUrl } from '../src/support/postgres.js'

tap.setTimeout(240_000)

const executablePath = process.env['THROUGHLINE_CHROMIUM'] ?? '/usr/bin/chromium'

/** A fresh browser (empty profile) on a page, and everything that went wrong there. */
async function openPage(t: Test, url: string): Promise<{ page: Page; troubles: string[] }> {
  if (!existsSync(executablePath)) {
    throw new Error(
      `no Chromium at ${executablePath}: install it (apt-get install chromium) or set THROUGHLINE_CHROMIUM`,
    )
  }
  const quiet = ['quic', 'background-networking', 'component-update', 'sync'].map((part) => `--disable-${part}`)
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', ...quiet],
  })
  t.teardown(() => browser.close())
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
  const troubles: string[] = []
  page.setDefaultTimeout(30_000)
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('console', (line) => {
    if (line.type() === 'error' || /Content Security Policy/i.test(line.text())) troubles.push(line.text())
  })
  page.on('dialog', (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss().catch(() => undefined)
  })
  // Told by the browser itself, whatever the console says.
  await page.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', (event) =>
      console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI))`,
  })
  await page.goto(url)
  return { page, troubles }
}

const messages = (page: Page, direction: 'in' | 'out') =>
  page.locator(`[data-testid=chat-message][data-direction=${direction}]`)

test('a message typed in /chat is answered by an agent over the WebSocket, and a reload keeps the thread', async (t) => {
  const engine = await startEngineProcess(t, { databaseUrl: await freshDatabaseUrl(t) })
  const agent = await startAgent(t, engine)
  const { page, troubles } = await openPage(t, `${engine.url}/chat`)

  await page.getByTestId('chat-input').fill('Do you ship to <b>Lisbon</b>?')
  await page.getByTestId('chat-send').click()
  await page.locator('[data-direction=in][data-state=sent]').waitFor()

  const inbound = await agent.event('the message at the agent', (event) => event.t === 'message.inbound')
  const offer = await agent.event('the offer', (event) => event.t === 'offer.created')
  await agent.command('offer.accept', { offerId: offer.d.offerId })
  const { conversation } = inbound.d as { conversation: string }
  await agent.command('message.send', { conversation, body: 'Yes, in **two weeks**. <img src=x onerror=alert(1)>' })

  const answer = messages(page, 'out')
  await answer.getByText('Yes, in two weeks.').waitFor()
  t.equal(await answer.count(), 1)
  t.equal(await answer.locator('strong').textContent(), 'two weeks')
  t.equal(await answer.locator('img[src=x]').count(), 0, 'an answer is text, not HTML')
  t.match(await messages(page, 'in').textContent(), 'Do you ship to <b>Lisbon</b>?')

  await page.reload()
  await answer.getByText('Yes, in two weeks.').waitFor()
  t.equal(await messages(page, 'in').count(), 1, 'the thread is there after a reload')
  t.equal(await answer.count(), 1)

  // The stream is open again: the next answer comes by itself.
  await page.locator('[data-testid=chat-status][data-state=online]').waitFor()
  await agent.command('message.send', { conversation, body: 'Anything else?' })
  await answer.getByText('Anything else?').waitFor()
  t.equal(await answer.count(), 2)
  t.same(troubles, [], 'no error on the console, nothing refused by the content policy')
})
