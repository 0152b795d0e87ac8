import { test } from 'tap'
import { compile, FUEL } from '../../src/routing/rules/compile.js'
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
