import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { createIds } from '../../src/ids.js'
import type { Config } from '../../src/config/contract.js'
import type { NewEvent } from '../../src/events/contract.js'
import type { RuleResult } from '../../src/routing/contract.js'
import { createReplan } from '../../src/routing/replan.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, dispatch, enqueue, node, queue } from './harness.js'

const queues = [queue('support', { teams: ['support'] }), queue('sales', { teams: ['sales'] })]

/** The record the drain leaves beside each item. */
async function record(store: Store, one: { item: string; conversation: string }, text: string, more: object = {}) {
  const row = { source: 'rules', rule: 'old', facts: { message: { text } }, ...more }
  await store.pool.query(
    `insert into routing_decision (id, conversation_id, work_item_id, trigger, source, rule, version, reason, facts)
     values ($1, $2, $3, 'created', $4, $5, '1', 'rule', $6)`,
    [randomUUID(), one.conversation, one.item, row.source, row.rule, JSON.stringify(row.facts)],
  )
}

function planner(store: Store, result: (facts: any) => Partial<RuleResult> | null, version = '2') {
  const events: NewEvent[] = []
  const clock = { now: () => Date.now() }
  const replan = createReplan({
    db: store.db,
    events: { append: async (_trx, more) => void events.push(...more), poke: () => undefined },
    config: { queues, defaultQueue: 'support' } as unknown as Config,
    ids: createIds(clock),
    rules: {
      version: () => version,
      evaluate: (_file, facts) => {
        const found = result(facts)
        return found === null
          ? null
          : { rule: 'new', version, then: {}, trace: { matched: ['new'], failed: [] }, ...found }
      },
    },
    wake: () => undefined,
  })
  return {
    events,
    replan: (what: { queue?: string; apply: boolean }) => replan.replan(what, { actor: { kind: 'system', id: null } }),
  }
}

const rows = async (store: Store, sql: string, values: unknown[] = []): Promise<any[]> =>
  (await store.pool.query(sql, values)).rows

test('R59: rules edited while 50 items wait: they keep their plan until they are planned anew, and the changes are shown first', async (t) => {
  const store = await withDatabase(t)
  const part = node(store, { queues })
  for (let i = 0; i < 50; i++) await record(store, await enqueue(store, part), i < 20 ? 'buy' : 'help')
  const { replan, events } = planner(store, (facts) => ({
    then: facts.message.text === 'buy' ? { queue: 'sales', priority: 'high', tags: ['deal'] } : { queue: 'support' },
  }))
  const before = await rows(store, 'select id, rank_at, epoch from work_item order by id')

  const shown = await replan({ apply: false })
  t.match(shown, { version: '2', looked: 50, kept: 0, applied: 0 })
  t.equal(shown.changes.length, 20)
  t.same(shown.changes[0]?.fields, [
    { field: 'priority', from: 'normal', to: 'high' },
    { field: 'queue', from: 'support', to: 'sales' },
    { field: 'tags', from: [], to: ['deal'] },
  ])
  t.same(await rows(store, 'select distinct plan_version, queue from work_item'), [
    { plan_version: '1', queue: 'support' },
  ])

  t.match(await replan({ apply: true }), { applied: 20 })
  t.same(
    await rows(
      store,
      'select plan_version, queue, priority, count(*)::int as n from work_item group by 1, 2, 3 order by 1',
    ),
    [
      { plan_version: '1', queue: 'support', priority: 'normal', n: 30 },
      { plan_version: '2', queue: 'sales', priority: 'high', n: 20 },
    ],
  )
  const after = await rows(store, `select id, rank_at from work_item where queue = 'sales' order by id`)
  for (const { id, rank_at } of after) {
    const was = before.find((one) => one.id === id)
    t.equal(was.rank_at.getTime() - rank_at.getTime(), 900_000, 'its age stays, its priority is new')
  }
  t.same(await rows(store, `select distinct queue, tags from conversation where 'deal' = any(tags)`), [
    { queue: 'sales', tags: ['deal'] },
  ])
  const recorded = `select trigger, rule, version, facts::jsonb as facts, count(*)::int as n
    from routing_decision where trigger = 'replanned' group by 1, 2, 3, 4`
  t.same(await rows(store, recorded), [
    { trigger: 'replanned', rule: 'new', version: '2', facts: { message: { text: 'buy' } }, n: 20 },
  ])
  t.equal(events.filter((event) => event.type === 'work.queued').length, 20)
  t.match(await replan({ apply: true }), { applied: 0, changes: [] }, 'a second time changes nothing')
})

test('work that was offered, placed by hand, or planned by a plugin keeps its plan', async (t) => {
  const store = await withDatabase(t)
  const part = node(store, { queues })
  await agent(store, part, 'ann', { teams: ['support'] })
  const offered = await enqueue(store, part)
  await record(store, offered, 'buy')
  await dispatch(part)
  await store.pool.query(`update agent_load set capacity = 0`)
  const byHand = await enqueue(store, part)
  await record(store, byHand, 'buy')
  await store.pool.query(`update work_item set queue = 'sales' where id = $1`, [byHand.item])
  const byPlugin = await enqueue(store, part)
  await record(store, byPlugin, 'buy', { source: 'crm', rule: null })
  const { replan } = planner(store, () => ({ then: { queue: 'sales', priority: 'urgent' } }))
  t.match(await replan({ apply: true }), { looked: 2, kept: 2, applied: 0, changes: [] })
  t.same(await rows(store, `select state, plan_version from work_item where id = $1`, [offered.item]), [
    { state: 'offered', plan_version: '1' },
  ])
})

test('no rule, or a plan that names what is not there, leaves the default queue or the old plan', async (t) => {
  const store = await withDatabase(t)
  const part = node(store, { queues })
  const item = await enqueue(store, part, { plan: { queue: 'sales' } })
  await record(store, item, 'x')
  t.match(await planner(store, () => ({ then: { queue: 'gone' } })).replan({ apply: true }), { kept: 1, applied: 0 })
  t.match(await planner(store, () => null).replan({ apply: true, queue: 'support' }), { looked: 0 })
  t.match(await planner(store, () => null).replan({ apply: true, queue: 'sales' }), {
    applied: 1,
    changes: [{ to: { rule: null } }],
  })
  t.same(await rows(store, `select queue from work_item`), [{ queue: 'support' }])
})
