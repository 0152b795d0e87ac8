import type { Fault, Outcome } from './fault.js'

export interface Row {
  readonly fault: Fault
  readonly outcome: Outcome | { readonly error: string }
}

export function passed({ outcome }: Row): boolean {
  if ('error' in outcome) return false
  const { lost, doubled, inversions, phantom } = outcome.verdict
  return lost + doubled + inversions + phantom === 0 && outcome.broken.length === 0
}

const heads = [
  'fault',
  'what',
  'runs',
  'events',
  'lost',
  'doubled',
  'inversions',
  'phantom',
  'unsure',
  'recovery',
  'result',
]

function cells(row: Row): readonly string[] {
  const { fault, outcome } = row
  if ('error' in outcome)
    return [fault.id, fault.what, '-', '-', '-', '-', '-', '-', '-', '-', `failed: ${oneLine(outcome.error)}`]
  const { events, lost, doubled, inversions, phantom, unsure } = outcome.verdict
  const numbers = [outcome.runs, events, lost, doubled, inversions, phantom, unsure].map(String)
  const result = passed(row) ? 'passed' : `failed: ${oneLine(outcome.broken[0] ?? outcome.verdict.findings[0] ?? '')}`
  return [fault.id, fault.what, ...numbers, recovery(outcome.recoveriesMs), result]
}

/** Fits into a cell. */
function oneLine(text: string): string {
  return (text.split('\n')[0] ?? '').replaceAll('|', '/').slice(0, 120)
}

/** Median and worst, in seconds. */
function recovery(values: readonly number[]): string {
  if (values.length === 0) return '-'
  const sorted = [...values].sort((a, b) => a - b)
  const seconds = (ms: number | undefined): string => ((ms ?? 0) / 1000).toFixed(1)
  return `${seconds(sorted[Math.floor((sorted.length - 1) / 2)])} s (worst ${seconds(sorted.at(-1))} s)`
}

export function table(rows: readonly Row[]): string {
  const all = [heads, ...rows.map(cells)].map((row) => row.filter((_, i) => i !== 1))
  const widths = (all[0] ?? []).map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Rows of the table in docs/reliability.md. */
export function markdownRow(row: Row): string {
  const [id, what, ...numbers] = cells(row)
  return `| ${id} | ${what}: ${row.fault.how} | ${numbers.join(' | ')} |`
}

export const markdownHead = `| fault | what is done | ${heads.slice(2).join(' | ')} |\n|${heads
  .slice(1)
  .map(() => '---|')
  .join('')}`
