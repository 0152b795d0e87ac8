import { Temporal } from 'temporal-polyfill'
import { joinPointer } from './pointer.js'
import { entriesOf, listOf, member, textOf } from './raw.js'
import type { Report } from './references.js'
import { suggest } from '../suggest.js'

const days = Object.freeze(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])
const minutesOfDay = 24 * 60

/** Minutes from midnight; `end` is larger than 1440 when the window runs overnight. */
interface Window {
  readonly start: number
  readonly end: number
  readonly text: string
  readonly pointer: string
}

/** Checks calendars and every time zone of the file. `now` decides which changes of clocks lie ahead. */
export function checkCalendars(data: unknown, now: number, report: Report): void {
  for (const [id, agent] of entriesOf(member(data, 'agents'))) {
    const at = joinPointer('/agents', id)
    const zone = checkZone(member(agent, 'timeZone'), `${at}/timeZone`, report)
    if (member(agent, 'schedule') !== undefined) {
      checkHours(member(agent, 'schedule'), `${at}/schedule`, `the schedule of "${id}"`, zone, now, report)
    }
  }
  for (const [id, calendar] of entriesOf(member(data, 'calendars'))) {
    const at = joinPointer('/calendars', id)
    const zone = checkZone(member(calendar, 'timeZone'), `${at}/timeZone`, report)
    checkHours(calendar, at, `calendar "${id}"`, zone, now, report)
  }
}

/** Windows of a calendar or of an agent's schedule. */
function checkHours(hours: unknown, at: string, what: string, zone: string | null, now: number, report: Report): void {
  const weekly = days.map((day) => windowsOf(member(member(hours, 'weekly'), day), `${at}/weekly/${day}`))
  const overrides = entriesOf(member(hours, 'overrides')).map(([date, list]) =>
    windowsOf(list, joinPointer(`${at}/overrides`, date)),
  )
  for (const list of [...weekly, ...overrides]) checkOverlap(list, report)
  checkNights(weekly, report)
  if (![...weekly, ...overrides].some((list) => list.length > 0) && hasNoUnreadableWindow(hours)) {
    const remedy = 'Add windows under `weekly`, such as mon: ["09:00-17:00"].'
    report('error', 'TL_CONFIG_CALENDAR_NEVER_OPEN', at, `${what} is never open`, remedy)
  } else checkDates(hours, weekly, at, what, now, report)
  if (zone !== null) checkGaps(weekly, zone, now, report)
}

/** Dates against each other and against today: a holiday closes whatever else is written for the day. */
function checkDates(
  hours: unknown,
  weekly: readonly (readonly Window[])[],
  at: string,
  what: string,
  now: number,
  report: Report,
): void {
  const holidays = new Set(listOf(member(hours, 'holidays')))
  // A day's slack: it is still yesterday somewhere, and a night shift lasts into the next morning.
  const today = new Date(now - 2 * minutesOfDay * 60_000).toISOString().slice(0, 10)
  let ahead = false
  for (const [date, list] of entriesOf(member(hours, 'overrides'))) {
    const opens = !Array.isArray(list) || list.length > 0
    if (opens && holidays.has(date)) {
      const remedy = 'Remove the date from `holidays`, or its windows from `overrides`.'
      const message = `${date} is a holiday of ${what}: its windows are never used`
      report('warning', 'TL_CONFIG_CALENDAR_OVERLAP', joinPointer(`${at}/overrides`, date), message, remedy)
    } else if (opens && date >= today) ahead = true
  }
  if (ahead || weekly.some((list) => list.length > 0) || !hasNoUnreadableWeek(hours)) return
  const remedy = 'Add windows under `weekly`, or dates that lie ahead under `overrides`.'
  report('error', 'TL_CONFIG_CALENDAR_NEVER_OPEN', at, `${what} does not open any more`, remedy)
}

function hasNoUnreadableWeek(hours: unknown): boolean {
  return entriesOf(member(hours, 'weekly')).every(([, list]) => Array.isArray(list) && list.length === 0)
}

function checkZone(value: unknown, pointer: string, report: Report): string | null {
  const zone = textOf(value)
  if (zone === null) return null
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return zone
  } catch {
    const near = suggest(zone, Intl.supportedValuesOf('timeZone'))
    const message = `"${zone.slice(0, 60)}" is not a time zone${near === null ? '' : `, did you mean "${near}"?`}`
    const remedy = near === null ? 'Use an IANA name such as Europe/Berlin.' : `Write "${near}".`
    report('error', 'TL_CONFIG_TIME_ZONE_UNKNOWN', pointer, message, remedy)
    return null
  }
}

/** Windows that can be read; what cannot be read is the schema's finding. */
function windowsOf(value: unknown, pointer: string): readonly Window[] {
  return listOf(value).flatMap((text, index) => {
    const parts = typeof text === 'string' ? /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text) : null
    if (parts === null || typeof text !== 'string') return []
    const start = Number(parts[1]) * 60 + Number(parts[2])
    const close = Number(parts[3]) * 60 + Number(parts[4])
    const end = close <= start ? close + minutesOfDay : close
    return [{ start, end, text, pointer: joinPointer(pointer, index) }]
  })
}

/** A window nobody could read is no proof that the calendar is closed: do not add a second complaint. */
function hasNoUnreadableWindow(calendar: unknown): boolean {
  const lists = [...entriesOf(member(calendar, 'weekly')), ...entriesOf(member(calendar, 'overrides'))]
  return lists.every(([, list]) => Array.isArray(list) && list.length === 0)
}

function checkOverlap(windows: readonly Window[], report: Report): void {
  const sorted = [...windows].sort((a, b) => a.start - b.start)
  sorted.forEach((window, index) => {
    const before = sorted[index - 1]
    if (before === undefined || before.end <= window.start) return
    const message = `windows ${before.text} and ${window.text} overlap`
    report('error', 'TL_CONFIG_CALENDAR_OVERLAP', window.pointer, message, 'Join them, or correct one of the times.')
  })
}

/** The tail of a night shift may reach into the next day's first window; the engine counts it once. */
function checkNights(weekly: readonly (readonly Window[])[], report: Report): void {
  weekly.forEach((windows, day) => {
    const tail = Math.max(0, ...windows.map((window) => window.end - minutesOfDay))
    for (const window of weekly[(day + 1) % 7] ?? []) {
      if (window.start >= tail) continue
      const message = `${window.text} begins before the night window of ${days[day] ?? ''} ends`
      const remedy = 'Let it begin when the night window ends; the hours in common count once.'
      report('warning', 'TL_CONFIG_CALENDAR_OVERLAP', window.pointer, message, remedy)
    }
  })
}

/** Hours that do not exist on the day the clocks go forward (the engine moves them by the gap). */
function checkGaps(weekly: readonly (readonly Window[])[], zone: string, now: number, report: Report): void {
  for (const gap of gapsAhead(zone, now)) {
    for (const [day, windows] of weekly.entries()) {
      for (const window of windows) {
        const edges = [
          { day, minute: window.start },
          { day: (day + Math.floor(window.end / minutesOfDay)) % 7, minute: window.end % minutesOfDay },
        ]
        const hit = edges.find((edge) => edge.day === gap.day && edge.minute >= gap.from && edge.minute < gap.to)
        if (hit === undefined) continue
        const message = `${clockText(hit.minute)} does not exist on ${gap.date} in ${zone}: the clocks go forward`
        const remedy = 'Choose a time outside the gap, or accept that it moves forward on that day.'
        report('warning', 'TL_CONFIG_CALENDAR_GAP', window.pointer, message, remedy)
      }
    }
  }
}

interface Gap {
  readonly day: number
  readonly from: number
  readonly to: number
  readonly date: string
}

function gapsAhead(zone: string, now: number): readonly Gap[] {
  const gaps: Gap[] = []
  try {
    let at: Temporal.ZonedDateTime | null = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone)
    const horizon = now + 400 * 24 * 3600 * 1000
    for (let i = 0; i < 4 && at !== null; i++) {
      at = at.getTimeZoneTransition('next')
      if (at === null || at.epochMilliseconds > horizon) break
      const before = at.subtract({ nanoseconds: 1 })
      const jump = (at.offsetNanoseconds - before.offsetNanoseconds) / 60e9
      if (jump <= 0) continue
      const to = at.hour * 60 + at.minute
      gaps.push({ day: at.dayOfWeek - 1, from: to - jump, to, date: at.toPlainDate().toString() })
    }
  } catch {
    return gaps // a zone that Intl knows and Temporal does not: no warning is better than no start
  }
  return gaps
}

function clockText(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}
