import fc from 'fast-check'
import { test } from 'tap'
import { planOf } from '@throughline/plugin-sdk'
import { frozenFacts } from '../../src/routing/router.js'
import { planChanges } from '../../src/routing/rules/replay.js'
import { readRuleFile } from '../../src/routing/rules/rule-file.js'

const names = {
  queues: new Map(['support', 'sales', 'vip'].map((id) => [id, null] as const)),
  skills: ['billing'],
  teams: ['support'],
  definitions: [],
}

const condition = fc.oneof(
  fc.constantFrom<unknown>(
    true,
    { eq_ci: [{ var: 'contact.tier' }, 'vip'] },
    { has_any: [{ var: 'conversation.tags' }, ['a', 'b']] },
    { num_gt: [{ var: 'message.length' }, 3] },
    { num_lt: [{ minutes_since: [{ var: 'contact.attributes.since' }] }, 90] },
    { num_gte: [{ queue_stat: ['support', 'waiting'] }, 2] },
    { '==': [{ contact_stat: 'last_agent' }, 'mia'] },
    { skill_gte: ['billing', 3] },
    { lookup: ['vips', { var: 'contact.id' }, false] },
    { ip_in_cidr: [{ var: 'contact.attributes.ip' }, ['10.0.0.0/8']] },
  ),
  fc.record({ pct_rollout: fc.tuple(fc.constant({ var: 'contact.id' }), fc.integer({ min: 0, max: 100 })) }),
  fc.record({ contains_word: fc.tuple(fc.constant({ var: 'message.text' }), fc.array(fc.string({ maxLength: 4 }))) }),
)

const rulesFile = fc
  .array(
    fc.record({
      when: fc.oneof(condition, fc.record({ and: fc.array(condition, { minLength: 1, maxLength: 3 }) })),
      then: fc.record(
        {
          queue: fc.constantFrom('support', 'sales', 'vip'),
          priority: fc.constantFrom('urgent', 'high', 'normal', 'low'),
          head_start_s: fc.integer({ min: -3_600, max: 3_600 }),
          tags: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
      stop: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((rules) =>
    JSON.stringify({
      $version: '1',
      rules: rules.map((rule, index) => ({ id: `r${index}`, ...rule })),
      tables: { vips: { c1: true } },
      tests: [],
    }),
  )

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const facts = fc.record(
  {
    now: fc.constantFrom('2026-05-01T12:00:00Z', '2026-11-21T07:00:00+01:00'),
    contact: fc.record({
      id: fc.constantFrom('c1', 'c2', 'c3'),
      tier: maybe(fc.constantFrom('vip', 'VIP', 'basic')),
      attributes: fc.record({
        since: maybe(fc.constantFrom('2026-05-01T11:00:00Z', 'never', 5)),
        ip: maybe(fc.constantFrom('10.1.1.1', '8.8.8.8', 'x')),
      }),
    }),
    conversation: fc.record({ tags: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }) }),
    message: maybe(fc.record({ text: fc.string({ maxLength: 20 }), length: fc.nat(10) })),
    queues: maybe(fc.record({ support: fc.record({ waiting: maybe(fc.nat(5)) }) })),
    history: maybe(fc.record({ last_agent: maybe(fc.constantFrom('mia', 'leo')) })),
    agent: maybe(fc.record({ skills: fc.record({ billing: fc.integer({ min: 1, max: 5 }) }) })),
  },
  { requiredKeys: ['now', 'contact', 'conversation'] },
)

test('I9: the same facts and the same version decide alike: on another node, in another order, and after a trip through the database', (t) => {
  fc.assert(
    fc.property(rulesFile, fc.array(facts, { minLength: 1, maxLength: 8 }), (text, batch) => {
      const [here, there] = [1, 2].map(() => readRuleFile(text, 'routing.json', 'routing', names))
      if (!here?.ok || !there?.ok)
        throw new Error(JSON.stringify([...(here?.problems ?? []), ...(there?.problems ?? [])]))
      const plain = (value: unknown): string => JSON.stringify(value)
      const first = batch.map((one) => plain(here.evaluate(frozenFacts(one))))
      const backwards = [...batch].reverse().map((one) => plain(there.evaluate(JSON.parse(plain(one)))))
      if (first.join() !== backwards.reverse().join()) return false
      // A decision is kept as its plan; replaying it finds no difference.
      return batch.every((one) => {
        const result = here.evaluate(frozenFacts(one))
        const plan = result === null ? null : planOf(result.then)
        if (plan === null) return true
        const again = there.evaluate(JSON.parse(plain(one)))
        return planChanges(JSON.parse(plain(plan)), planOf(again?.then ?? {}) ?? {}).length === 0
      })
    }),
    { numRuns: 400 },
  )
  t.pass('400 files')
  t.end()
})
