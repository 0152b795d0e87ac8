import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { always, createCalendar } from '../../src/calendars/calendar.js'
import type { Calendar, CalendarDefinition } from '../../src/calendars/contract.js'

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri']
const everyDay = [...weekdays, 'sat', 'sun']
const on = (days: readonly string[], ...windows: string[]) => Object.fromEntries(days.map((day) => [day, windows]))
const calendar = (timeZone: string, weekly: CalendarDefinition['weekly'], more: Partial<CalendarDefinition> = {}) =>
  createCalendar('c', { timeZone, weekly, holidays: [], overrides: {}, ...more })

const office = calendar('UTC', on(weekdays, '09:00-17:00'))
const newYork = calendar('America/New_York', on(weekdays, '09:00-17:00'), { holidays: ['2026-07-03'] })
const berlin = calendar(
  'Europe/Berlin',
  { ...on(weekdays, '08:00-18:00'), sat: ['10:00-14:00'] },
  {
    holidays: ['2026-12-25', '2027-01-01'],
    overrides: { '2026-12-24': ['08:00-12:00'], '2026-12-31': [] },
  },
)

const cases: readonly (readonly [string, Calendar, string, number, string | null])[] = [
  ['B01: calendar hours ignore DST', always, '2026-03-07T12:00:00Z', 86_400, '2026-03-08T12:00:00Z'],
  [
    'B03: a start at closing time counts from the next opening',
    office,
    '2026-03-10T17:00:00Z',
    1800,
    '2026-03-11T09:30:00Z',
  ],
  [
    'B04: exhausted at closing time is due at closing time',
    office,
    '2026-03-10T16:00:00Z',
    3600,
    '2026-03-10T17:00:00Z',
  ],
  ['B05: seconds count', office, '2026-03-10T16:30:30Z', 3600, '2026-03-11T09:30:30Z'],
  ['B06: over the weekend', office, '2026-03-13T16:00:00Z', 14_400, '2026-03-16T12:00:00Z'],
  ['B07: over the weekend on which clocks go forward', newYork, '2026-03-06T21:00:00Z', 28_800, '2026-03-09T20:00:00Z'],
  ['B09: over a holiday', newYork, '2026-07-02T20:00:00Z', 14_400, '2026-07-06T16:00:00Z'],
  [
    'B15: a date closed by override, a holiday, a Saturday',
    berlin,
    '2026-12-30T16:30:00Z',
    3600,
    '2027-01-02T09:30:00Z',
  ],
  [
    'B17: a night shift over the end of summer time lasts nine hours',
    calendar('America/New_York', on(everyDay, '22:00-06:00')),
    '2026-11-01T02:00:00Z',
    32_400,
    '2026-11-01T11:00:00Z',
  ],
  [
    'B21: an opening time that comes twice is the first of the two',
    calendar('America/New_York', { sun: ['01:30-05:00'] }),
    '2026-11-01T04:00:00Z',
    7200,
    '2026-11-01T07:30:00Z',
  ],
  [
    'B25: a change of clocks by half an hour',
    calendar('Australia/Lord_Howe', on(everyDay, '00:00-06:00')),
    '2026-04-04T13:00:00Z',
    21_600,
    '2026-04-04T19:00:00Z',
  ],
  [
    'B27: a Friday that never existed',
    calendar('Pacific/Apia', on(weekdays, '09:00-17:00')),
    '2011-12-30T02:00:00Z',
    7200,
    '2012-01-01T20:00:00Z',
  ],
  ['B30: a calendar that never opens is never due', calendar('UTC', {}), '2026-03-10T10:00:00Z', 3600, null],
]

for (const [name, found, start, seconds, due] of cases) {
  test(name, async (t) => {
    t.equal(iso(found.add(new Date(start), seconds)), due)
    if (due !== null) t.equal(found.between(new Date(start), new Date(due)), seconds)
  })
}

interface Vectors {
  readonly calendars: Record<
    string,
    {
      always?: boolean
      tz: string
      week?: Record<string, [string, string][]>
      holidays?: string[]
      dates?: Record<string, [string, string][]>
    }
  >
  readonly vectors: readonly {
    readonly id: string
    readonly cal: string
    readonly start: string
    readonly target_s: number
    readonly note: string
    readonly events: readonly { at: string; run?: boolean; target_s?: number; cal?: string }[]
    readonly expect: { due: string | null; used_s_at_last_event: number; already_over: boolean }
  }[]
}

test('every business-time vector holds', async (t) => {
  const shared = process.env['THROUGHLINE_SHARED'] ?? fileURLToPath(new URL('../../../../../shared', import.meta.url))
  let data: Vectors
  try {
    data = JSON.parse(readFileSync(`${shared}/vectors/sla/business-time.json`, 'utf8')) as Vectors
  } catch {
    return t.comment('skipped: the shared vectors are not beside the project')
  }
  const text = (lists: Record<string, [string, string][]> = {}) =>
    Object.fromEntries(Object.entries(lists).map(([day, list]) => [day, list.map((window) => window.join('-'))]))
  const calendars = new Map(
    Object.entries(data.calendars).map(([name, { always: all, tz, week, holidays = [], dates }]) => [
      name,
      all === true
        ? always
        : createCalendar(name, { timeZone: tz, weekly: text(week), holidays, overrides: text(dates) }),
    ]),
  )
  for (const { id, cal, start, target_s, note, events, expect } of data.vectors) {
    await t.test(`${id}: ${note}`, async (t) => {
      // The bookkeeping of a clock, as short as it can be: what was used is frozen at every change.
      let [running, target, used, at, by]: [boolean, number, number, Date, Calendar] = [
        true,
        target_s,
        0,
        new Date(start),
        calendars.get(cal)!,
      ]
      for (const event of events) {
        const now = new Date(event.at)
        if (running) used += by.between(at, now)
        at = now
        running = event.run ?? running
        target = event.target_s ?? target
        by = event.cal === undefined ? by : calendars.get(event.cal)!
      }
      const due = running ? by.add(at, target - used) : null
      t.equal(iso(due), expect.due, 'due')
      t.equal(used, expect.used_s_at_last_event, 'used')
    })
  }
})

function iso(at: Date | null): string | null {
  return at === null ? null : at.toISOString().replace('.000Z', 'Z')
}
