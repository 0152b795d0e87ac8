import type { Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Match, Matcher } from './match.js'
import { comparePlaces, readClasses, readDue, readHeads, type ScanRow } from './scan-store.js'

export interface ScanAsk {
  readonly queues: readonly string[]
  readonly matcher: Matcher
  /** Somebody has room for anything at all. */
  readonly room: () => boolean
  /** Queues in which the scan goes on when everybody is full: new items are to be told why they wait. */
  readonly thorough: ReadonlySet<string>
  /** An item's place among those of other queues, in microseconds; smaller comes first. */
  readonly among: (row: ScanRow) => number
  readonly offers: number
  readonly changes: number
}

export interface Found {
  readonly matches: readonly Match[]
  /** There is more than one transaction should carry. */
  readonly cut: boolean
}

const DUE = 500
/** Rows of each class in the first page, and how much longer each further page is: one free agent needs few. */
const FIRST = 8
const FURTHER = 4

/**
 * The items of these queues that can be offered now, or have to be told something new, in one order: whoever serves several
 * queues gets what comes first in all of them. Each queue keeps its own order; where two meet, `among` decides.
 */
export async function scan(trx: Transaction<Tables>, ask: ScanAsk): Promise<Found> {
  const { matcher } = ask
  const matches: Match[] = []
  let offers = 0
  /** False: enough for one transaction. */
  const take = (row: ScanRow): boolean => {
    const match = matcher.match(row)
    if (match.candidate !== null) offers += 1
    if (match.candidate !== null || match.change !== null) matches.push(match)
    return offers < ask.offers && matches.length < ask.changes
  }
  const lines = ask.queues.map((queue) => itemsOf(trx, ask, queue))
  // Their statements travel together.
  const heads = await Promise.all(lines.map((line) => line.next()))
  let further = false
  for (;;) {
    let first: { readonly line: number; readonly row: ScanRow } | null = null
    for (const [line, head] of heads.entries()) {
      if (head.done === true) continue
      if (first === null || isBefore(head.value, first.row, ask.among)) first = { line, row: head.value }
    }
    if (first === null) return { matches, cut: further && matches.length > 0 }
    if (!take(first.row)) return { matches, cut: true }
    const next = (await lines[first.line]?.next()) ?? { done: true, value: false }
    if (next.done === true && next.value) further = true
    heads[first.line] = next
  }
}

function isBefore(a: ScanRow, b: ScanRow, among: ScanAsk['among']): boolean {
  return (among(a) - among(b) || a.firstUs - b.firstUs || (a.id < b.id ? -1 : 1)) < 0
}

/**
 * One queue's items, in order of their places, as far as it makes sense to look. Waiting items fall into classes that ask for
 * the same: a class nobody has room or skill for is skipped as a whole, however long it is and wherever its items stand, and
 * the others are read in one merged order. So a pass costs by classes and by what it offers, not by what waits. Items whose
 * next step is due are looked at one by one: they are about to change class. Returns whether more of these may be due.
 */
async function* itemsOf(
  trx: Transaction<Tables>,
  { matcher, room, thorough }: ScanAsk,
  queue: string,
): AsyncGenerator<ScanRow, boolean> {
  const idle = (): boolean => !thorough.has(queue) && !room()
  const due = await readDue(trx, queue, DUE)
  if (idle()) {
    yield* due
    return false
  }
  const waiting = [...due]
  // They are read with their class once more.
  const isDue = new Set(due.map((row) => row.id))
  let classes = (await readHeads(trx, queue)).filter((head) => matcher.hopeful(head))
  let after: ScanRow | null = null
  for (let each = FIRST; classes.length > 0; each *= FURTHER) {
    const names = classes.map((head) => head.class)
    const page = pageOf(await readClasses(trx, queue, names, { after, each }), each)
    const { end } = page
    const rows = page.rows.filter((row) => !isDue.has(row.id))
    yield* merged(rows, waiting, end)
    if (end === null || idle()) break
    after = end
    classes = classes.filter((head) => page.unread.has(head.class) && matcher.hopeful(head))
  }
  yield* waiting
  return due.length >= DUE
}

/**
 * What of the rows read may be used: up to the last row of the first class that was cut off, because behind it rows of that
 * class are missing.
 */
function pageOf(rows: readonly ScanRow[], each: number) {
  const counts = new Map<number, number>()
  let end: ScanRow | null = null
  const last = rows.findIndex((row) => {
    const count = (counts.get(row.class) ?? 0) + 1
    counts.set(row.class, count)
    if (count < each) return false
    end = row
    return true
  })
  const rest = end === null ? [] : rows.slice(last + 1)
  const unread = new Set(rest.map((row) => row.class))
  if (end !== null) unread.add((end as ScanRow).class)
  return { rows: end === null ? rows : rows.slice(0, last + 1), end: end as ScanRow | null, unread }
}

/** The rows of a page with those of `waiting` that come before its end; these are taken out of `waiting`. */
function* merged(rows: readonly ScanRow[], waiting: ScanRow[], end: ScanRow | null): Iterable<ScanRow> {
  const first = (limit: ScanRow | null): boolean =>
    waiting[0] !== undefined && (limit === null || comparePlaces(waiting[0], limit) < 0)
  for (const row of rows) {
    while (first(row)) yield waiting.shift() as ScanRow
    yield row
  }
  while (end !== null && first(end)) yield waiting.shift() as ScanRow
}
