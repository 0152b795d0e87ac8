import { Temporal } from 'temporal-polyfill'
import type { CalendarDefinition } from './contract.js'

/** One local date of a calendar: where it lies in time, and its opening times within it. Milliseconds since 1970. */
export interface LocalDay {
  readonly start: number
  /** Start of the next local date; equal to `start` for a date that never existed. */
  readonly end: number
  /** Sorted, disjoint, touching ones merged: start, end, start, end … */
  readonly open: readonly number[]
  readonly openMs: number
}

/** Days by their number since 1970-01-01, local. */
export interface LocalDays {
  /** Number of the local date that `at` lies in. */
  numberOf(at: number): number
  day(number: number): LocalDay
  isHoliday(number: number): boolean
  /** No date after this one can be open, or all after it follow the weekly hours alone. */
  readonly lastListed: number
  readonly hasWeekly: boolean
}

/** Minutes from local midnight; `close` may lie beyond 1440. */
interface Window {
  readonly open: number
  readonly close: number
}

const DAY_MINUTES = 1440
/** About eleven years; beyond that the oldest entries go, so that a strange question cannot fill the memory. */
const MOST_DAYS = 4096
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const EPOCH = Temporal.PlainDate.from('1970-01-01')

/**
 * The rules of local time: a time that does not exist moves forward by the gap, an ambiguous one is the first of the two
 * (Temporal's `compatible`), a date that does not exist is dropped. Sums are made of instants, never of local times, so a
 * day has the hours it has.
 */
export function createLocalDays(definition: CalendarDefinition): LocalDays {
  const { timeZone } = definition
  const weekly = WEEKDAYS.map((name) => (definition.weekly[name] ?? []).map(windowOf))
  const overrides = new Map(
    Object.entries(definition.overrides).map(([date, list]) => [numberOfDate(date), list.map(windowOf)]),
  )
  const holidays = new Set(definition.holidays.map(numberOfDate))
  const days = new Map<number, LocalDay>()
  const windows = new Map<number, readonly number[]>()

  const instantAt = (date: Temporal.PlainDate, minute: number): number => {
    const day = minute >= DAY_MINUTES ? date.add({ days: Math.floor(minute / DAY_MINUTES) }) : date
    const time = new Temporal.PlainTime(Math.floor((minute % DAY_MINUTES) / 60), minute % 60)
    return day.toZonedDateTime({ timeZone, plainTime: time }).epochMilliseconds
  }

  /** Windows that begin on a date, as instants: start, end, start, end … */
  const beginningOn = (number: number): readonly number[] =>
    remember(windows, number, () => {
      const date = EPOCH.add({ days: number })
      const list = overrides.get(number) ?? weekly[date.dayOfWeek - 1] ?? []
      // Temporal moves a date that never existed to the next one; such a day has no windows at all.
      if (list.length === 0 || !date.toZonedDateTime({ timeZone }).toPlainDate().equals(date)) return []
      return list.flatMap(({ open, close }) => [instantAt(date, open), instantAt(date, close)])
    })

  const build = (number: number): LocalDay => {
    const date = EPOCH.add({ days: number })
    const start = instantAt(date, 0)
    const end = Math.max(start, instantAt(date, DAY_MINUTES))
    if (holidays.has(number)) return Object.freeze({ start, end, open: [], openMs: 0 })
    // A window lasts a day at most; the day before yesterday matters where yesterday never existed.
    const open = merge([number - 2, number - 1, number].flatMap(beginningOn), start, end)
    let openMs = 0
    for (let i = 0; i < open.length; i += 2) openMs += (open[i + 1] ?? 0) - (open[i] ?? 0)
    return Object.freeze({ start, end, open: Object.freeze(open), openMs })
  }

  const day = (number: number): LocalDay => remember(days, number, () => build(number))
  let last = 0
  return {
    day,
    numberOf(at) {
      const recent = days.get(last)
      if (recent !== undefined && at >= recent.start && at < recent.end) return last
      const date = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone).toPlainDate()
      last = EPOCH.until(date, { largestUnit: 'days' }).days
      return last
    },
    isHoliday: (number) => holidays.has(number),
    lastListed: Math.max(-1e9, ...holidays, ...overrides.keys()),
    hasWeekly: weekly.some((list) => list.length > 0),
  }
}

function remember<T>(cache: Map<number, T>, key: number, make: () => T): T {
  const found = cache.get(key)
  if (found !== undefined) return found
  const made = make()
  if (cache.size >= MOST_DAYS) {
    let surplus = MOST_DAYS / 2
    for (const old of cache.keys()) {
      if (surplus-- <= 0) break
      cache.delete(old)
    }
  }
  cache.set(key, made)
  return made
}

/** The parts of the windows within [from, to), sorted, overlapping and touching ones merged. */
function merge(windows: readonly number[], from: number, to: number): number[] {
  const pairs: [number, number][] = []
  for (let i = 0; i < windows.length; i += 2) {
    const pair: [number, number] = [Math.max(from, windows[i] ?? 0), Math.min(to, windows[i + 1] ?? 0)]
    if (pair[1] > pair[0]) pairs.push(pair)
  }
  pairs.sort((a, b) => a[0] - b[0])
  const merged: number[] = []
  for (const [start, end] of pairs) {
    const previous = merged.at(-1)
    if (previous !== undefined && start <= previous) merged[merged.length - 1] = Math.max(previous, end)
    else merged.push(start, end)
  }
  return merged
}

function windowOf(text: string): Window {
  const [open, close] = text.split('-').map((time) => {
    const [hours, minutes] = time.split(':').map(Number)
    return (hours ?? 0) * 60 + (minutes ?? 0)
  }) as [number, number]
  return { open, close: close <= open ? close + DAY_MINUTES : close }
}

function numberOfDate(date: string): number {
  return EPOCH.until(Temporal.PlainDate.from(date), { largestUnit: 'days' }).days
}
