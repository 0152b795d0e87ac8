import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { repository } from '../../src/support/repository.js'
import type { Measured } from './measured.js'
import { pageParts } from './tables.js'

const file = join(repository, 'docs', 'scaling.md')
const mark = (name: string, edge: 'begin' | 'end'): string => `<!-- ${edge} ${name}: \`npm run scaling -- --write\` -->`

/** The measurements the page was written from: they stand at its end. */
export function measuredOn(page: string): Measured {
  const text = part(page, 'inputs')
  const json = /```json\n([\s\S]*?)\n```/.exec(text)?.[1]
  if (json === undefined) throw new Error('docs/scaling.md has lost its measurements: run `npm run scaling -- --write`')
  return JSON.parse(json) as Measured
}

/** The page with every generated part made anew from these measurements. */
export async function renderPage(page: string, measured: Measured): Promise<string> {
  let text = page
  for (const [name, body] of Object.entries(pageParts(measured))) {
    const { from, to } = place(text, name)
    text = `${text.slice(0, from)}\n\n${body}\n\n${text.slice(to)}`
  }
  return format(text, { ...(await resolveConfig(file)), filepath: file })
}

export const readPage = (): Promise<string> => readFile(file, 'utf8')

export async function writePage(measured: Measured): Promise<void> {
  await writeFile(file, await renderPage(await readPage(), measured))
}

function part(page: string, name: string): string {
  const { from, to } = place(page, name)
  return page.slice(from, to)
}

/** Between the marks. */
function place(page: string, name: string): { readonly from: number; readonly to: number } {
  const begin = page.indexOf(mark(name, 'begin'))
  const to = page.indexOf(mark(name, 'end'))
  if (begin < 0 || to < begin) throw new Error(`docs/scaling.md has lost the place of its part "${name}"`)
  return { from: begin + mark(name, 'begin').length, to }
}
