import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { repository } from '../src/support/repository.js'
import { markdownHead, markdownRow, type Row } from './report.js'

const begin = '<!-- rows of `npm run test:faults -- --write`; those of other faults stay -->'
const end = '<!-- end of the rows -->'

/** Puts the result of a soak into its place in docs/reliability.md. */
export async function writeSoak(result: string): Promise<void> {
  await between('<!-- result of `npm run test:faults -- soak --write` -->', '<!-- end of the result -->', () => result)
}

/** Puts the rows of this run into docs/reliability.md, in the order of the fault table. */
export async function writePage(rows: readonly Row[]): Promise<void> {
  await between(begin, end, (present) => {
    const known = new Map<string, string>()
    for (const line of present.split('\n')) {
      const id = /^\| (F\w+) /.exec(line)?.[1]
      if (id !== undefined) known.set(id, line)
    }
    for (const row of rows) known.set(row.fault.id, markdownRow(row))
    const rank = (id: string): number => Number(id.slice(1)) || 99
    const lines = [...known].sort(([a], [b]) => rank(a) - rank(b)).map(([, line]) => line)
    return `${markdownHead}\n${lines.join('\n')}`
  })
}

async function between(first: string, last: string, content: (present: string) => string): Promise<void> {
  const file = join(repository, 'docs', 'reliability.md')
  const text = await readFile(file, 'utf8')
  const from = text.indexOf(first)
  const to = text.indexOf(last)
  if (from < 0 || to < 0) throw new Error(`${file} has lost the place "${first}"`)
  const changed = `${text.slice(0, from)}${first}\n\n${content(text.slice(from + first.length, to))}\n\n${text.slice(to)}`
  await writeFile(file, await format(changed, { ...(await resolveConfig(file)), filepath: file }))
}
