import fc from 'fast-check'
import { test } from 'tap'
import { compile, formNames, FUEL } from '../../src/routing/rules/compile.js'
import { operatorDocs, ruleOperatorsPage } from '../../src/routing/rules/operator-docs.js'
import { builtInOperators } from '../../src/routing/rules/operators.js'
import { bucket } from '../../src/routing/rules/business-operators.js'

const file = { tables: { vips: { 'a.b': 'gold', zero: 0 } }, tiers: ['basic', 'plus', 'vip'] }
const run = (rule: unknown, data: unknown = {}): unknown =>
  compile(rule, { operators: builtInOperators, file })(data, {
    facts: data,
    now: Date.parse('2026-05-01T12:00:00Z'),
    fuel: FUEL,
  })

const table: readonly [rule: unknown, expected: unknown, data?: unknown][] = [
  [{ num_lt: [1, 2] }, true],
  [{ num_lt: [null, 2] }, false],
  [{ num_lt: ['1', 2] }, false],
  [{ num_lte: [2, 2] }, true],
  [{ num_gt: [{ var: 'x' }, 2] }, false],
  [{ num_gte: [2, null] }, false],
  [{ num_between: [2, 1, 3] }, true],
  [{ num_between: [2, 1, null] }, false],
  [{ is_set: [null] }, false],
  [{ is_set: [0] }, true],
  [{ is_set: { var: 'x' } }, false],
  [{ coalesce: [null, { var: 'x' }, 3] }, 3],
  [{ coalesce: [null] }, null],
  [{ default: [{ var: 'x' }, 9] }, 9],
  [{ default: [0, 9] }, 0],
  [{ has_any: [{ var: 't' }, ['a', 'z']] }, true, { t: ['a'] }],
  [{ has_any: [{ var: 't' }, ['a']] }, false, { t: null }],
  [{ has_any: ['abc', ['a']] }, false],
  [{ has_all: [{ var: 't' }, ['a', 'b']] }, true, { t: ['b', 'a'] }],
  [{ has_all: [{ var: 't' }, []] }, false, { t: null }],
  [{ has_none: [{ var: 't' }, ['a']] }, true, { t: null }],
  [{ has_none: [{ var: 't' }, ['a']] }, false, { t: ['a'] }],
  [{ contains_word: ['My REFUND, please', 'refund'] }, true],
  [{ contains_word: ['refunded', 'refund'] }, false],
  [{ contains_word: ['prerefund refund', 'refund'] }, true],
  [{ contains_word: ['Où est ma FACTURE réglée', ['reglee']] }, true],
  [{ contains_word: ['stopped  working', 'stopped working'] }, false],
  [{ contains_word: ['私の請求書です', '請求書'] }, true],
  [{ contains_word: [null, 'x'] }, false],
  [{ contains_word: ['x', null] }, false],
  [{ contains_word: ['a b', ''] }, false],
  [{ contains_word: ['𝒜bill', 'bill'] }, false],
  [{ starts_with: ['Bestellung 12', ['bestell']] }, true],
  [{ ends_with: ['order 12', '12'] }, true],
  [{ matches_any: ['order-12', ['r-1', 'zz']] }, true],
  [{ eq_ci: ['ÀB', 'ab'] }, true],
  [{ eq_ci: [null, null] }, false],
  [{ domain_in: ['kim@mail.acme.example', ['acme.example']] }, true],
  [{ domain_in: ['kim@notacme.example', ['acme.example']] }, false],
  [{ before: ['2026-01-01T00:00:00+02:00', '2025-12-31T23:00:00Z'] }, true],
  [{ after: ['2026-01-01T00:00:00+02:00', '2025-12-31T23:00:00Z'] }, false],
  [{ before: ['2026-01-01', '2027-01-01T00:00:00Z'] }, false],
  [{ before: [null, '2027-01-01T00:00:00Z'] }, false],
  [{ minutes_since: ['2026-05-01T11:30:00Z'] }, 30],
  [{ minutes_since: [null] }, null],
  [{ seconds_until: ['2026-05-01T14:00:30+02:00'] }, 30],
  [{ lookup: ['vips', 'a.b'] }, 'gold'],
  [{ lookup: ['vips', 'nobody', 'none'] }, 'none'],
  [{ lookup: ['vips', 'zero', 5] }, 0],
  [{ lookup: ['vips', 'constructor'] }, null],
  [{ lookup: ['vips', null] }, null],
  [{ tier_gte: ['vip', 'plus'] }, true],
  [{ tier_gte: ['basic', 'plus'] }, false],
  [{ tier_gte: [null, 'plus'] }, false],
  [{ tier_gte: ['vip', 'unknown'] }, false],
  [{ pct_rollout: ['c1', 100] }, true],
  [{ pct_rollout: ['c1', 0] }, false],
  [{ pct_rollout: [null, 100] }, false],
  [{ skill_gte: ['billing', 3] }, true, { agent: { skills: { billing: 3 } } }],
  [{ skill_gte: ['billing', 4] }, false, { agent: { skills: { billing: 3 } } }],
  [{ skill_gte: ['billing', 1] }, false, { agent: null }],
  [{ skill_gte: ['constructor', 0] }, false, { agent: { skills: {} } }],
  [{ skill_gte: [null, null] }, false, { agent: { skills: { null: 1 } } }],
  [{ lang_gte: ['de', 'B2'] }, true, { agent: { languages: { de: 'C1' } } }],
  [{ lang_gte: ['de', 'C2'] }, false, { agent: { languages: { de: 'C1' } } }],
  [{ lang_gte: ['fr', 'A1'] }, false, { agent: { languages: { de: 'C1' } } }],
  [{ lang_gte: ['de', null] }, false, { agent: { languages: { de: 'C1' } } }],
  [{ in_team: ['support'] }, true, { agent: { teams: ['support'] } }],
  [{ in_team: [['sales', 'support']] }, true, { agent: { teams: ['support'] } }],
  [{ in_team: 'sales' }, false, { agent: { teams: ['support'] } }],
  [{ in_team: 'sales' }, false],
  [{ queue_stat: ['support', 'waiting'] }, 4, { queues: { support: { waiting: 4 } } }],
  [{ queue_stat: ['support', 'ewt_s'] }, null, { queues: { support: { ewt_s: null } } }],
  [{ queue_stat: ['gone', 'waiting'] }, null, { queues: { support: { waiting: 4 } } }],
  [{ queue_stat: [null, null] }, null],
  [{ num_gt: [{ queue_stat: ['support', 'waiting'] }, 3] }, true, { queues: { support: { waiting: 4 } } }],
  [{ contact_stat: ['conversations', '7d'] }, 2, { history: { conversations_7d: 2 } }],
  [{ contact_stat: 'last_agent' }, 'mia', { history: { last_agent: 'mia' } }],
  [{ contact_stat: ['open_conversations'] }, null, { history: null }],
  [{ amount_gte: [{ var: 'm' }, 100, 'EUR'] }, true, { m: { amount: 100, currency: 'EUR' } }],
  [{ amount_gte: [{ var: 'm' }, 100, 'EUR'] }, false, { m: { amount: 100, currency: 'USD' } }],
  [{ amount_gte: [{ var: 'm' }, 100, 'EUR'] }, true, { m: { amount: '120.50', currency: 'EUR' } }],
  [{ amount_gte: ['120.50 EUR', 120, 'EUR'] }, true],
  [{ amount_gte: ['EUR 99.99', 100, 'EUR'] }, false],
  [{ amount_gte: [150, 100, 'EUR'] }, false],
  [{ amount_gte: [null, 100, 'EUR'] }, false],
  [{ ip_in_cidr: ['10.1.2.3', ['10.0.0.0/8', '192.168.0.0/16']] }, true],
  [{ ip_in_cidr: ['11.1.2.3', '10.0.0.0/8'] }, false],
  [{ ip_in_cidr: ['2001:db8::7', ['2001:db8::/32']] }, true],
  [{ ip_in_cidr: ['::ffff:10.0.0.1', ['10.0.0.0/8']] }, true],
  [{ ip_in_cidr: ['10.0.0.1', '10.0.0.1'] }, true],
  [{ ip_in_cidr: ['no address', ['0.0.0.0/0']] }, false],
  [{ ip_in_cidr: [null, ['0.0.0.0/0']] }, false],
  [{ ip_in_cidr: ['10.0.0.1', null] }, false],
  [{ country_in: ['de', ['DE', 'AT']] }, true],
  [{ country_in: ['FR', 'DE', 'AT'] }, false],
  [{ country_in: [null, ['DE']] }, false],
  [{ val: ['a', 'b.c'] }, 7, { a: { 'b.c': 7 } }],
  [{ val: [['a', 'b.c']] }, 7, { a: { 'b.c': 7 } }],
  [{ val: ['a', 'x'] }, null, { a: { 'b.c': 7 } }],
]

test('each operator answers calmly, null included', (t) => {
  for (const [rule, expected, data] of table) t.strictSame(run(rule, data), expected, JSON.stringify(rule))
  t.end()
})

test('a rollout takes its share, is stable, and differs by name', (t) => {
  const ids = Array.from({ length: 10_000 }, (_, i) => `contact-${i}`)
  const taken = ids.filter((id) => run({ pct_rollout: [id, 20, 'bot'] }))
  t.ok(Math.abs(taken.length - 2000) < 150, `${taken.length} of 10,000`)
  t.ok(taken.every((id) => run({ pct_rollout: [id, 20, 'bot'] })))
  const both = taken.filter((id) => run({ pct_rollout: [id, 20, 'other'] }))
  t.ok(Math.abs(both.length - 400) < 100, 'another name draws anew')
  t.equal(bucket('contact-1'), bucket('contact-1'))
  t.end()
})

test('without a now there is no time that has passed', (t) => {
  const bare = compile({ minutes_since: ['2026-05-01T11:30:00Z'] }, { operators: builtInOperators, file })
  t.equal(bare({}, { facts: {}, now: null, fuel: FUEL }), null)
  t.end()
})

test('no operator throws for null, for the wrong type, or for something odd, and none changes its arguments', (t) => {
  const odd = [null, true, -1, 0.5, NaN, '', 'x', '2026-05-01T00:00:00Z', [], ['x', null], { a: 1 }, { amount: 'x' }]
  const facts = [{}, { agent: [], queues: 'x', history: 7 }, { agent: { skills: [], languages: 'x', teams: 7 } }]
  const lists = fc.array(fc.constantFrom(...odd), { minLength: 0, maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...builtInOperators.keys()), lists, fc.constantFrom(...facts), (name, args, data) => {
      const found = builtInOperators.get(name)
      if (found === undefined || args.length < found.arity[0] || args.length > found.arity[1]) return
      const frozen = Object.freeze(args.map((arg) => Object.freeze(arg)))
      const call = () => found.fn(frozen, { facts: data, now: 0, fuel: FUEL }, data, file)
      t.strictSame(call(), call(), `${name} answers alike`)
    }),
    { numRuns: 3_000 },
  )
  t.end()
})

test('looking for many words in a long text costs what it takes', (t) => {
  const words = Array.from({ length: 1_000 }, (_, i) => `word${i}`)
  const text = 'a '.repeat(1_000)
  t.equal(run({ contains_word: [text, words] }), false)
  t.throws(
    () => run({ or: Array.from({ length: 30 }, () => ({ contains_word: [text, words] })) }),
    /more than 10000 steps/,
  )
  t.end()
})

test('every operator is described for authors, under the name it has', (t) => {
  for (const name of [...builtInOperators.keys(), ...formNames]) t.ok(operatorDocs.has(name), name)
  const page = ruleOperatorsPage()
  for (const name of builtInOperators.keys()) t.ok(page.includes(`| \`${name}\` |`), name)
  t.match(page, /`contact\.tier` \| string or null/)
  t.end()
})
