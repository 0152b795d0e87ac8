import { createTestContext } from '@throughline/plugin-sdk/testing'
import type { RouteRequest, RuleOutcome } from '@throughline/plugin-sdk'
import { test } from 'tap'
import plugin from '../src/index.js'

const request: RouteRequest = {
  trigger: 'created',
  facts: { contact: { tier: 'vip' } },
  queues: ['support'],
  random: 0,
}

async function routeBy(outcome: RuleOutcome | null) {
  const asked: unknown[] = []
  const { context } = createTestContext({ kind: 'routing', config: {} })
  const rules = {
    evaluate(file: string, facts: unknown) {
      asked.push([file, facts])
      return outcome
    },
  }
  const routing = await plugin.setup({ ...context, rules })
  return { decision: await routing.route(request), asked }
}

test('what the rule file says becomes the plan, with rule and version', async (t) => {
  const then = {
    queue: 'vip',
    priority: 'high',
    head_start_s: 1800,
    preferred: ['account_manager', 'last_agent'],
    sla_policy: 'gold',
    tags: ['vip'],
    steps: [
      { skills: { billing: 4 }, lang: { de: 'C1' }, seconds: 30 },
      { drop: ['billing'], overflow: 'support', add_head_start_s: 60 },
    ],
  }
  const { decision, asked } = await routeBy({ rule: 'vip', version: '2026-03-01.1', then })
  t.strictSame(asked, [['routing', request.facts]])
  t.strictSame(decision, {
    to: 'queue',
    rule: 'vip',
    version: '2026-03-01.1',
    reason: 'rule vip',
    plan: {
      queue: 'vip',
      priority: 'high',
      headStartS: 1800,
      preferred: ['account_manager', 'last_agent'],
      slaPolicy: 'gold',
      tags: ['vip'],
      steps: [
        { skills: { billing: 4 }, seconds: 30, languages: { de: 'C1' } },
        { drop: ['billing'], overflow: 'support', addHeadStartS: 60 },
      ],
    },
  })
})

test('what is not said is normal', async (t) => {
  const { decision } = await routeBy({ rule: 'r', version: '1', then: { queue: 'support' } })
  t.match(decision, { plan: { queue: 'support', priority: 'normal' } })
})

test('when no rule names a queue the next plugin is asked', async (t) => {
  t.match((await routeBy(null)).decision, { to: 'pass' })
  t.match((await routeBy({ rule: 'r', version: '1', then: { tags: ['x'] } })).decision, { to: 'pass' })
})

test('an engine without rule files is told plainly', async (t) => {
  const { context } = createTestContext({ kind: 'routing', config: {} })
  await t.rejects(async () => plugin.setup(context), { code: 'config', message: /no rule files/ })
})
