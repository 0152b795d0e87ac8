import { Temporal } from 'temporal-polyfill'
import type { Calendar } from '../../calendars/contract.js'
import { didYouMean } from '../../suggest.js'
import { instant } from './business-operators.js'
import { checked, operator, type FileData, type LiteralCheck, type Operator } from './operator.js'

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const TIME = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/

/** A calendar by the first argument and a time by the second: what most of these operators begin with. */
function atCalendar<T>(otherwise: T, ask: (calendar: Calendar, at: Date) => T): Operator['fn'] {
  return ([name, time], _run, _scope, file) => {
    const [calendar, at] = [calendarOf(file, name), instant(time)]
    return calendar === null || at === null ? otherwise : ask(calendar, new Date(at))
  }
}

function calendarOf(file: FileData, name: unknown): Calendar | null {
  return typeof name === 'string' ? (file.calendars?.get(name) ?? null) : null
}

function localTime(time: unknown, zone: unknown): Temporal.ZonedDateTime | null {
  const at = instant(time)
  if (at === null || typeof zone !== 'string') return null
  try {
    return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone)
  } catch {
    return null // a zone out of a fact: unknown zones have no local time
  }
}

function minutesOf(text: unknown): number | null {
  if (typeof text !== 'string' || !TIME.test(text)) return null
  const [hours, minutes] = text.split(':').map(Number)
  return (hours ?? 0) * 60 + (minutes ?? 0)
}

function checkCalendar({ args: [name], names, error }: LiteralCheck): void {
  const known = names.calendars?.names ?? []
  if (typeof name !== 'string' || known.includes(name)) return
  error(0, `"${name.slice(0, 60)}" is not a calendar of throughline.yaml${didYouMean(name, known)}`)
}

function checkZone({ args: [, zone], error }: LiteralCheck): void {
  if (typeof zone !== 'string') return
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
  } catch {
    const near = didYouMean(zone, Intl.supportedValuesOf('timeZone'))
    error(1, `"${zone.slice(0, 60)}" is not a time zone${near}`, 'Use an IANA name such as Europe/Berlin.')
  }
}

/** Calendars and local time; calm about null, and about names that come out of facts and do not exist. */
export const calendarOperators: Readonly<Record<string, Operator>> = Object.freeze({
  in_business_hours: checked(
    operator(
      [2, 2],
      ['string', 'instant'],
      'boolean',
      atCalendar(false, (calendar, at) => calendar.isOpen(at)),
    ),
    checkCalendar,
  ),
  business_minutes_between: {
    ...checked(
      operator([3, 3], ['string', 'instant'], 'number', ([name, from, to], _run, _scope, file) => {
        const [calendar, start, end] = [calendarOf(file, name), instant(from), instant(to)]
        return calendar === null || start === null || end === null
          ? null
          : calendar.between(new Date(start), new Date(end)) / 60
      }),
      checkCalendar,
    ),
    nullable: true,
  },
  next_open_at: {
    ...checked(
      operator(
        [2, 2],
        ['string', 'instant'],
        'instant',
        atCalendar<string | null>(null, (calendar, at) => calendar.nextOpen(at)?.toISOString() ?? null),
      ),
      checkCalendar,
    ),
    nullable: true,
  },
  is_holiday: checked(
    operator(
      [2, 2],
      ['string', 'instant'],
      'boolean',
      atCalendar(false, (calendar, at) => calendar.isHoliday(at)),
    ),
    checkCalendar,
  ),
  // Half-open like the windows of calendars; a start after the end runs over midnight.
  local_time_between: checked(
    operator([4, 4], ['instant', 'string'], 'boolean', ([time, zone, from, to]) => {
      const [local, start, end] = [localTime(time, zone), minutesOf(from), minutesOf(to)]
      if (local === null || start === null || end === null) return false
      const now = local.hour * 60 + local.minute
      return start < end ? now >= start && now < end : now >= start || now < end
    }),
    (call) => {
      checkZone(call)
      for (const index of [2, 3]) {
        const text = call.args[index]
        if (typeof text === 'string' && minutesOf(text) === null)
          call.error(index, `"${text.slice(0, 20)}" is not a time of day`, 'Write "09:00".')
      }
    },
  ),
  local_weekday_in: checked(
    operator([3, 3], ['instant', 'string', 'any'], 'boolean', ([time, zone, days]) => {
      const local = localTime(time, zone)
      return local !== null && Array.isArray(days) && days.includes(DAYS[local.dayOfWeek - 1])
    }),
    (call) => {
      checkZone(call)
      const [, , days] = call.args
      for (const day of Array.isArray(days) ? (days as readonly unknown[]) : []) {
        if (typeof day === 'string' && !DAYS.includes(day))
          call.error(2, `"${day.slice(0, 20)}" is not a weekday${didYouMean(day, DAYS)}`, `Write ${DAYS.join(', ')}.`)
      }
    },
  ),
})
