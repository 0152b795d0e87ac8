import { test } from 'tap'
import { createCalendars } from '../../src/calendars/calendar.js'
import { compile, FUEL } from '../../src/routing/rules/compile.js'
import { builtInOperators } from '../../src/routing/rules/operators.js'
import { readRuleFile } from '../../src/routing/rules/rule-file.js'

const calendars = createCalendars([
  {
    id: 'office',
    timeZone: 'Europe/Berlin',
    weekly: { mon: ['09:00-17:00'], tue: ['09:00-17:00'] },
    holidays: ['2026-03-10'],
    overrides: {},
  },
])
const run = (rule: unknown, data: object = {}): unknown =>
  compile(rule, { operators: builtInOperators, file: { tables: {}, tiers: [], calendars } })(data, {
    facts: data,
    now: null,
    fuel: FUEL,
  })

const monday = '2026-03-09T10:00:00+01:00'
const table: readonly [rule: unknown, expected: unknown, data?: object][] = [
  [{ in_business_hours: ['office', monday] }, true],
  [{ in_business_hours: ['office', '2026-03-09T16:00:00Z'] }, false],
  [{ in_business_hours: ['office', { var: 'at' }] }, false, { at: null }],
  [{ in_business_hours: ['nowhere', monday] }, false],
  [{ business_minutes_between: ['office', monday, '2026-03-10T10:00:00+01:00'] }, 420],
  [{ business_minutes_between: ['office', null, monday] }, null],
  [{ next_open_at: ['office', '2026-03-09T20:00:00Z'] }, '2026-03-16T08:00:00.000Z'],
  [{ next_open_at: ['nowhere', monday] }, null],
  [{ is_holiday: ['office', '2026-03-10T00:30:00+01:00'] }, true],
  [{ is_holiday: ['office', monday] }, false],
  [{ local_time_between: [monday, 'Europe/Berlin', '10:00', '12:00'] }, true],
  [{ local_time_between: [monday, 'Europe/Berlin', '08:00', '10:00'] }, false],
  [{ local_time_between: ['2026-03-09T23:30:00Z', 'UTC', '22:00', '06:00'] }, true],
  [{ local_time_between: [monday, { var: 'zone' }, '10:00', '12:00'] }, false, { zone: 'Mars/Olympus' }],
  [{ local_time_between: [null, 'UTC', '10:00', '12:00'] }, false],
  [{ local_weekday_in: ['2026-03-08T23:30:00Z', 'Europe/Berlin', ['mon']] }, true],
  [{ local_weekday_in: ['2026-03-08T23:30:00Z', 'UTC', ['mon']] }, false],
  [{ local_weekday_in: [null, 'UTC', ['mon']] }, false],
]

for (const [rule, expected, data] of table) {
  test(`${JSON.stringify(rule)} is ${JSON.stringify(expected)}`, async (t) => {
    t.strictSame(run(rule, data), expected)
  })
}

const refused: readonly [rule: unknown, message: RegExp][] = [
  [{ in_business_hours: ['ofice', { var: 'now' }] }, /"ofice" is not a calendar.*"office"/],
  [{ in_business_hours: ['office'] }, /takes 2 arguments/],
  [{ in_business_hours: ['office', 'today'] }, /"today" is not a time/],
  [{ local_time_between: [{ var: 'now' }, 'Europe/Berln', '09:00', '17:00'] }, /not a time zone.*Europe\/Berlin/],
  [{ local_time_between: [{ var: 'now' }, 'UTC', '9:00', '17:00'] }, /"9:00" is not a time of day/],
  [{ local_weekday_in: [{ var: 'now' }, 'UTC', ['monday']] }, /"monday" is not a weekday/],
]

for (const [when, message] of refused) {
  test(`${JSON.stringify(when)} is refused when the file is read`, async (t) => {
    const text = JSON.stringify({ $version: '1', rules: [{ id: 'a', when, then: { targets: {} } }], tests: [] })
    const names = { queues: new Map(), skills: [], teams: [], calendars, definitions: [] }
    const found = readRuleFile(text, 'sla.json', 'sla', names)
    t.equal(found.ok, false)
    t.match(found.problems[0]?.message, message)
  })
}
