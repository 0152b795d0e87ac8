import { createHash } from 'node:crypto'
import type { Calendar, CalendarDefinition, Calendars } from './contract.js'
import { createLocalDays, type LocalDays } from './local-days.js'

/** 110 years: further than any target, and an end to every walk. */
const HORIZON_DAYS = 40_000
/** Beyond the listed dates only the weekly hours count; a year of them without an opening has none. */
const EMPTY_DAYS = 366
const OPEN_DAYS = 366

/** Every second counts, in every time zone. */
export const always: Calendar = Object.freeze({
  name: 'always',
  version: 'always',
  timeZone: 'UTC',
  isOpen: () => true,
  nextOpen: (at: Date) => new Date(at),
  closesAt: () => null,
  add: (from: Date, seconds: number) => new Date(from.getTime() + Math.max(0, Math.round(seconds * 1000))),
  between: (from: Date, to: Date) => Math.max(0, to.getTime() - from.getTime()) / 1000,
  isHoliday: () => false,
})

/** The calendars of a configuration, each built when it is first asked for. */
export function createCalendars(definitions: readonly (CalendarDefinition & { readonly id: string })[]): Calendars {
  const known = new Map(definitions.map((definition) => [definition.id, definition]))
  const built = new Map<string, Calendar>()
  return Object.freeze({
    always,
    names: Object.freeze([...known.keys()]),
    read: createCalendar,
    get(name: string): Calendar | null {
      const found = built.get(name)
      if (found !== undefined) return found
      const definition = known.get(name)
      if (definition === undefined) return null
      const calendar = createCalendar(name, definition)
      built.set(name, calendar)
      return calendar
    },
  })
}

/** Pure: the same definition and question always have the same answer. Days are remembered, so asking again is cheap. */
export function createCalendar(name: string, definition: CalendarDefinition): Calendar {
  const days = createLocalDays(definition)
  return Object.freeze({
    name,
    version: versionOf(definition),
    timeZone: definition.timeZone,
    isOpen: (at: Date) => openingAt(days, at.getTime()) !== null,
    nextOpen(at: Date) {
      const from = at.getTime()
      for (const [start, end] of openings(days, from)) if (end > from) return new Date(Math.max(start, from))
      return null
    },
    closesAt(at: Date) {
      const opening = openingAt(days, at.getTime())
      if (opening === null) return null
      const first = days.numberOf(at.getTime())
      let close = opening[1]
      // Windows that touch at midnight are one opening.
      for (let number = first; number - first <= OPEN_DAYS && days.day(number).end === close;) {
        number++
        const next = days.day(number)
        if (next.start === next.end) continue
        if (next.open[0] !== close) return new Date(close)
        close = next.open[1] ?? close
        if (number - first > OPEN_DAYS) return null
      }
      return new Date(close)
    },
    add(from: Date, seconds: number) {
      const start = from.getTime()
      let left = Math.round(seconds * 1000)
      if (left <= 0) return new Date(start)
      for (const [open, close] of openings(days, start)) {
        const begin = Math.max(open, start)
        if (close <= begin) continue
        if (close - begin >= left) return new Date(begin + left)
        left -= close - begin
      }
      return null
    },
    between(from: Date, to: Date) {
      const [start, end] = [from.getTime(), to.getTime()]
      if (end <= start) return 0
      let sum = 0
      const last = days.numberOf(end)
      for (let number = days.numberOf(start); number <= last; number++) {
        const { open, openMs, start: begin, end: finish } = days.day(number)
        if (begin >= start && finish <= end) {
          sum += openMs
          continue
        }
        for (let i = 0; i < open.length; i += 2) {
          sum += Math.max(0, Math.min(end, open[i + 1] ?? 0) - Math.max(start, open[i] ?? 0))
        }
      }
      return sum / 1000
    },
    isHoliday: (at: Date) => days.isHoliday(days.numberOf(at.getTime())),
  })
}

/** Openings from the local date of `from` on, day by day; ends when there can be none any more. */
function* openings(days: LocalDays, from: number): Generator<readonly [number, number]> {
  const first = days.numberOf(from)
  let empty = 0
  for (let number = first; number - first < HORIZON_DAYS; number++) {
    const { open } = days.day(number)
    for (let i = 0; i < open.length; i += 2) yield [open[i] ?? 0, open[i + 1] ?? 0]
    if (open.length > 0) empty = 0
    // The night shift of the last listed date still reaches into the date after it.
    else if (number > days.lastListed + 1 && (!days.hasWeekly || ++empty > EMPTY_DAYS)) return
  }
}

function openingAt(days: LocalDays, at: number): readonly [number, number] | null {
  const { open } = days.day(days.numberOf(at))
  for (let i = 0; i < open.length; i += 2) {
    const [start, end] = [open[i] ?? 0, open[i + 1] ?? 0]
    if (at >= start && at < end) return [start, end]
  }
  return null
}

function versionOf({ timeZone, weekly, holidays, overrides }: CalendarDefinition): string {
  const sorted = (lists: Readonly<Record<string, readonly string[]>>): unknown =>
    Object.entries(lists)
      .filter(([, list]) => list !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify([timeZone, sorted(weekly), [...holidays].sort(), sorted(overrides)])
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
