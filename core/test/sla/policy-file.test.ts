import { test } from 'tap'
import { createCalendars } from '../../src/calendars/calendar.js'
import type { RuleFileKind } from '../../src/routing/contract.js'
import { readRuleFile } from '../../src/routing/rules/rule-file.js'
import { policyOf } from '../../src/sla/policy.js'
import { office } from './world.js'

const calendars = createCalendars([office])
const names = { queues: new Map([['support', null]]), skills: [], teams: [], calendars, definitions: [] }
const read = (kind: RuleFileKind, then: unknown) =>
  readRuleFile(
    JSON.stringify({ $version: '1', rules: [{ id: 'a', when: true, then }], tests: [] }, null, 2),
    `${kind}.json`,
    kind,
    names,
  )

const broken: readonly [name: string, kind: RuleFileKind, then: unknown, message: RegExp][] = [
  ['no targets', 'sla', {}, /promises nothing/],
  ['an unknown metric', 'sla', { targets: { frist_reply: [] } }, /one of first_reply/],
  ['an unknown calendar', 'sla', { targets: {}, calendar: 'ofice' }, /"ofice" is not a calendar.*"office"/],
  [
    'an unknown calendar in a row',
    'sla',
    { targets: { first_reply: [{ hours: 1, calendar: 'x' }] } },
    /not a calendar/,
  ],
  ['a row without time', 'sla', { targets: { first_reply: [{ priority: ['low'] }] } }, /promises no time/],
  ['no time at all', 'sla', { targets: { first_reply: [{ minutes: 0 }] } }, /above 0/],
  ['a time as text', 'sla', { targets: { first_reply: [{ minutes: '30' }] } }, /above 0/],
  ['more than a year', 'sla', { targets: { first_reply: [{ days: 400 }] } }, /more than a year/],
  ['an unknown priority', 'sla', { targets: { first_reply: [{ priority: ['hi'], hours: 1 }] } }, /one of urgent/],
  [
    'an unknown sort of channel',
    'sla',
    { targets: { first_reply: [{ channel: ['chat'], hours: 1 }] } },
    /one of voice/,
  ],
  ['a row that is text', 'sla', { targets: { first_reply: ['30m'] } }, /an object is expected/],
  ['reply clocks that pause', 'sla', { targets: {}, pause: { first_reply: ['pending'] } }, /never pause by status/],
  ['a status that ends', 'sla', { targets: {}, pause: { agent_work: ['resolved'] } }, /one of pending/],
  ['a level that is none', 'sla', { targets: {}, levels: ['120%'] }, /share of the target/],
  ['an unknown key', 'sla', { targets: {}, levles: [] }, /"levles" is not known.*"levels"/],
  ['no actions', 'escalation', {}, /does nothing/],
  ['an unknown action', 'escalation', { actions: [{ do: 'page' }] }, /one of notify/],
  ['an action from the prototype', 'escalation', { actions: [{ do: 'constructor' }] }, /one of notify/],
  ['an action without its words', 'escalation', { actions: [{ do: 'reassign' }] }, /"reassign" needs "queue"/],
  ['an unknown queue', 'escalation', { actions: [{ do: 'reassign', queue: 'suport' }] }, /"suport" is not a queue/],
  ['a head start below zero', 'escalation', { actions: [{ do: 'head_start', seconds: -1 }] }, /whole number from 1/],
]

for (const [name, kind, then, message] of broken) {
  test(`${kind}.json with ${name} is refused with its place and a remedy`, async (t) => {
    const found = read(kind, then)
    t.equal(found.ok, false)
    const [problem] = found.problems
    t.match(problem?.message, message)
    t.match(problem, { position: { file: `${kind}.json`, line: /^[1-9]/ }, remedy: /\S/ })
  })
}

test('a row that can never be reached is pointed out', async (t) => {
  const found = read('sla', { targets: { first_reply: [{ hours: 1 }, { priority: ['low'], hours: 2 }] } })
  t.equal(found.ok, true)
  t.match(
    found.problems.map((problem) => problem.message),
    [/never reached/],
  )
})

test('the first row that fits priority, sort of channel and tier is the target; units add up', async (t) => {
  const found = read('sla', {
    calendar: 'office',
    targets: {
      first_reply: [
        { tier: ['vip'], priority: ['urgent', 'high'], minutes: 1, seconds: 30 },
        { channel: ['email'], hours: 4 },
        { minutes: 30, calendar: 'office' },
      ],
    },
  })
  if (!found.ok) throw new Error('refused')
  const policy = policyOf(found.evaluate({})!, calendars)
  const seconds = (priority: string, channelKind: string | null, tier: string | null) =>
    policy.target('first_reply', { priority, channelKind, tier })?.seconds
  t.equal(seconds('high', 'email', 'vip'), 90)
  t.equal(seconds('normal', 'email', 'vip'), 4 * 3600)
  t.equal(seconds('urgent', 'webchat', null), 1800)
  t.equal(seconds('urgent', null, 'basic'), 1800)
  t.equal(policy.target('next_reply', { priority: 'low', channelKind: null, tier: null }), null)
  t.equal(policy.target('first_reply', { priority: 'low', channelKind: null, tier: null })?.calendar.name, 'office')
})
