import { ThroughlineError } from '../errors.js'
import { UsageError, type Invocation } from './command.js'

/** Columns as wide as their widest cell; two spaces between. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [head.map((title) => title.toUpperCase()), ...rows].map(line).join('\n')
}

/** A list as a table, or with `--json` as it is. */
export function printList<T>(
  { terminal, options }: Invocation,
  items: readonly T[],
  head: readonly string[],
  row: (item: T) => readonly string[],
  empty: string,
): void {
  if (options['json'] === true) terminal.out(JSON.stringify(items, null, 2))
  else terminal.out(items.length === 0 ? empty : textTable(head, items.map(row)))
}

export function dateText(date: Date | null): string {
  return date === null ? '' : `${date.toISOString().slice(0, 16).replace('T', ' ')}Z`
}

/** The word after the action, or a usage error that names it. */
export function argument({ positionals }: Invocation, index: number, what: string, usage: string): string {
  const value = positionals[index]
  if (value === undefined || value === '') throw new UsageError(`${what} is missing: use \`throughline ${usage}\``)
  return value
}

/** Value of `--name VALUE`; null when it was not given. */
export function option({ options }: Invocation, name: string): string | null {
  const value = options[name]
  return typeof value === 'string' && value !== '' ? value : null
}

export function wholeNumber(invocation: Invocation, name: string, fallback: number, most: number): number {
  const text = option(invocation, name)
  if (text === null) return fallback
  if (/^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text)
  throw new UsageError(`--${name} "${text}" is not a number from 1 to ${most}: correct it`)
}

export function notFound(what: string, list: string): ThroughlineError {
  return new ThroughlineError('TL_REQUEST_NOT_FOUND', `${what} does not exist: \`throughline ${list}\` shows what does`)
}
