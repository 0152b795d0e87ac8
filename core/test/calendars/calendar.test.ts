import fc from 'fast-check'
import { test } from 'tap'
import { createCalendar, createCalendars } from '../../src/calendars/calendar.js'
import type { Calendar, CalendarDefinition } from '../../src/calendars/contract.js'

const make = (definition: Partial<CalendarDefinition>): Calendar =>
  createCalendar('c', { timeZone: 'Europe/Berlin', weekly: {}, holidays: [], overrides: {}, ...definition })
const at = (text: string): Date => new Date(text)

test('windows are half-open', async (t) => {
  const calendar = make({ weekly: { mon: ['09:00-12:00', '13:00-17:00'] } })
  t.equal(calendar.isOpen(at('2026-03-09T08:00:00+01:00')), false)
  t.equal(calendar.isOpen(at('2026-03-09T09:00:00+01:00')), true)
  t.equal(calendar.isOpen(at('2026-03-09T11:59:59.999+01:00')), true)
  t.equal(calendar.isOpen(at('2026-03-09T12:00:00+01:00')), false)
  t.same(calendar.nextOpen(at('2026-03-09T12:00:00+01:00')), at('2026-03-09T13:00:00+01:00'))
  t.same(calendar.nextOpen(at('2026-03-09T13:30:00+01:00')), at('2026-03-09T13:30:00+01:00'), 'open: that very moment')
  t.same(calendar.closesAt(at('2026-03-09T13:30:00+01:00')), at('2026-03-09T17:00:00+01:00'))
  t.equal(calendar.closesAt(at('2026-03-09T12:30:00+01:00')), null, 'closed')
})

test('windows that touch at midnight are one opening', async (t) => {
  const calendar = make({ weekly: { mon: ['20:00-24:00'], tue: ['00:00-02:00', '02:00-03:00'] } })
  t.same(calendar.closesAt(at('2026-03-09T21:00:00+01:00')), at('2026-03-10T03:00:00+01:00'))
  const all = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, ['00:00-24:00']])
  const never = make({ weekly: Object.fromEntries(all) })
  t.equal(never.closesAt(at('2026-03-09T21:00:00+01:00')), null, 'it does not close')
})

test('a holiday also cuts the shift begun the day before, and an override does not', async (t) => {
  const weekly = { thu: ['22:00-06:00'], fri: ['22:00-06:00'] }
  const holiday = make({ weekly, holidays: ['2026-12-25'] })
  t.same(holiday.closesAt(at('2026-12-24T23:00:00+01:00')), at('2026-12-25T00:00:00+01:00'))
  t.equal(holiday.isHoliday(at('2026-12-25T12:00:00+01:00')), true)
  t.equal(holiday.isHoliday(at('2026-12-26T00:00:00+01:00')), false)
  t.same(holiday.nextOpen(at('2026-12-25T12:00:00+01:00')), at('2026-12-26T00:00:00+01:00'), 'midnight ends it')
  const override = make({ weekly, overrides: { '2026-12-25': [] } })
  t.same(override.closesAt(at('2026-12-24T23:00:00+01:00')), at('2026-12-25T06:00:00+01:00'))
})

test('a calendar of single dates ends after the last of them', async (t) => {
  const calendar = make({ overrides: { '2026-05-01': ['22:00-02:00'] } })
  t.same(calendar.nextOpen(at('2026-01-01T00:00:00Z')), at('2026-05-01T22:00:00+02:00'))
  t.same(calendar.add(at('2026-01-01T00:00:00Z'), 4 * 3600), at('2026-05-02T02:00:00+02:00'))
  t.equal(calendar.add(at('2026-01-01T00:00:00Z'), 4 * 3600 + 1), null)
  t.equal(calendar.nextOpen(at('2026-05-02T02:00:00+02:00')), null)
})

test('a window inside the hour that is skipped moves forward by the gap', async (t) => {
  const calendar = make({ weekly: { sun: ['02:15-02:45'] } })
  t.equal(calendar.isOpen(at('2026-03-29T03:20:00+02:00')), true)
  t.equal(calendar.isOpen(at('2026-03-29T03:50:00+02:00')), false)
})

test('the version follows the definition and nothing else', async (t) => {
  const one = make({ weekly: { mon: ['09:00-17:00'], tue: ['09:00-17:00'] }, holidays: ['2026-01-01', '2026-01-06'] })
  const same = make({ weekly: { tue: ['09:00-17:00'], mon: ['09:00-17:00'] }, holidays: ['2026-01-06', '2026-01-01'] })
  t.equal(one.version, same.version)
  t.not(one.version, make({ weekly: { mon: ['09:00-17:00'] } }).version)
  const calendars = createCalendars([{ id: 'a', timeZone: 'UTC', weekly: {}, holidays: [], overrides: {} }])
  t.equal(calendars.get('a'), calendars.get('a'), 'one calendar a name')
  t.equal(calendars.get('b'), null)
})

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/Havana']
const minute = fc.integer({ min: 0, max: 95 }).map((quarter) => quarter * 15)
const clock = (value: number): string =>
  `${String(Math.floor(value / 60)).padStart(2, '0')}:${String(value % 60).padStart(2, '0')}`
const window = fc.tuple(minute, minute).map(([open, close]) => `${clock(open)}-${clock(close)}`)
const windows = fc.array(window, { maxLength: 3 })
const definitions: fc.Arbitrary<CalendarDefinition> = fc.record({
  timeZone: fc.constantFrom(...zones),
  weekly: fc
    .tuple(window, fc.dictionary(fc.constantFrom('mon', 'tue', 'thu', 'sat', 'sun'), windows))
    .map(([wednesday, others]) => ({ ...others, wed: [wednesday] })),
  holidays: fc.uniqueArray(fc.constantFrom('2026-03-08', '2026-03-30', '2026-10-25', '2026-11-02'), { maxLength: 2 }),
  overrides: fc.dictionary(fc.constantFrom('2026-03-07', '2026-03-29', '2026-10-26', '2026-11-01'), windows),
})
/** Around the changes of clocks on both sides of the Atlantic. */
const instants = fc
  .tuple(
    fc.constantFrom('2026-03-05', '2026-03-26', '2026-10-22', '2026-10-30'),
    fc.integer({ min: 0, max: 5 * 86_400 }),
  )
  .map(([day, second]) => new Date(Date.parse(`${day}T00:00:00Z`) + second * 1000))

test('adding and measuring are inverse, and adding is monotone', async (t) => {
  fc.assert(
    fc.property(definitions, instants, fc.integer({ min: 1, max: 40 * 3600 }), (definition, from, seconds) => {
      const calendar = createCalendar('c', definition)
      const due = calendar.add(from, seconds)
      if (due === null) return false
      const later = calendar.add(from, seconds + 1)!
      const opening = calendar.nextOpen(from)!
      return (
        calendar.between(from, due) === seconds &&
        later > due &&
        calendar.between(from, opening) === 0 &&
        calendar.isOpen(opening) &&
        calendar.isOpen(new Date(due.getTime() - 1))
      )
    }),
    { numRuns: 300 },
  )
  t.pass('300 random calendars')
})

test('opening times agree with a naive reading of the definition, quarter by quarter', async (t) => {
  fc.assert(
    fc.property(definitions, instants, (definition, start) => {
      const calendar = createCalendar('c', definition)
      const from = Math.floor(start.getTime() / 900_000) * 900_000
      let naive = 0
      for (let quarter = 0; quarter < 4 * 48; quarter++) {
        const now = from + quarter * 900_000
        const wanted = naiveOpen(definition, now)
        if (wanted === null) return true // within a change of clocks the naive reading has no opinion
        if (calendar.isOpen(new Date(now)) !== wanted) return false
        if (wanted) naive += 900
        if (calendar.between(new Date(from), new Date(now + 900_000)) !== naive) return false
      }
      return true
    }),
    { numRuns: 200 },
  )
  t.pass('200 random calendars')
})

/** By the wall clock alone; null within three hours of a change of clocks. */
function naiveOpen(definition: CalendarDefinition, now: number): boolean | null {
  const wall = (instant: number): { date: string; minutes: number; day: string } => {
    const parts = Object.fromEntries(
      new Intl.DateTimeFormat('en-GB', {
        timeZone: definition.timeZone,
        weekday: 'short',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23',
      })
        .formatToParts(instant)
        .map(({ type, value }) => [type, value]),
    )
    return {
      date: `${parts['year']}-${parts['month']}-${parts['day']}`,
      minutes: Number(parts['hour']) * 60 + Number(parts['minute']),
      day: (parts['weekday'] ?? '').toLowerCase(),
    }
  }
  const offset = (instant: number): number => {
    const { date, minutes } = wall(instant)
    return Date.parse(`${date}T00:00:00Z`) / 60_000 + minutes - Math.floor(instant / 60_000)
  }
  if (offset(now - 3 * 3_600_000) !== offset(now + 3 * 3_600_000)) return null
  const today = wall(now)
  if (definition.holidays.includes(today.date)) return false
  const before = new Date(Date.parse(`${today.date}T00:00:00Z`) - 86_400_000)
  const yesterday = {
    date: before.toISOString().slice(0, 10),
    day: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][before.getUTCDay()] ?? '',
  }
  const list = ({ date, day }: { date: string; day: string }) =>
    (definition.overrides[date] ?? definition.weekly[day] ?? []).map((text) => {
      const [open, close] = text.split('-').map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))) as [
        number,
        number,
      ]
      return [open, close <= open ? close + 1440 : close] as const
    })
  return (
    list(today).some(([open, close]) => today.minutes >= open && today.minutes < close) ||
    list(yesterday).some(([open, close]) => today.minutes + 1440 >= open && today.minutes + 1440 < close)
  )
}
