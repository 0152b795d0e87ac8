import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, dispatch, enqueue, node, pending, queue } from './harness.js'

const MINUTE = 60

test('R08 a strict queue serves the higher priority first, whatever its age', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support', { strict: true }), queue('other')] })
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { capacity: 25 })
  const normal = await enqueue(store, here, { agoS: 80 * MINUTE })
  const high = await enqueue(store, here, { plan: { priority: 'high' }, agoS: 10 * MINUTE })
  await dispatch(here)
  t.match(await pending(store), [{ item_id: high.item }])
  // Elsewhere the years ahead count for nothing.
  await here.work.transfer(high.conversation, { queue: 'other' }, null, { actor: { kind: 'system', id: null } })
  const { rows } = await store.pool.query<{ ahead: number }>(
    `select extract(epoch from first_enqueued_at - rank_at)::int as ahead from work_item where id = any($1)`,
    [[high.item]],
  )
  t.strictSame(rows, [{ ahead: 0 }])
  t.ok(normal)
})

test('a queue chooses by its own mode: longest idle, in turns, best skill', async (t) => {
  const pick = async (selection: 'longest_idle' | 'round_robin' | 'best_skill'): Promise<string | undefined> => {
    const store = await withDatabase(t)
    const here = node(store, { queues: [queue('support', { selection, skills: { billing: 1 } })] })
    t.teardown(() => here.stop())
    await agent(store, here, 'expert', { skills: { billing: 9 }, lastAssigned: '2026-01-03T00:00:00Z' })
    await agent(store, here, 'busy', { skills: { billing: 2 }, lastAssigned: '2026-01-01T00:00:00Z' })
    await agent(store, here, 'idle', { skills: { billing: 2 }, lastAssigned: '2026-01-02T00:00:00Z' })
    const held = await enqueue(store, here)
    await here.work.claim(held.conversation, 'busy', { actor: { kind: 'agent', id: 'busy' } })
    await store.pool.query(`update agent_load set last_assigned_at = '2026-01-01' where agent_id = 'busy'`)
    await enqueue(store, here)
    await dispatch(here)
    return (await pending(store))[0]?.agent_id
  }
  t.equal(await pick('longest_idle'), 'idle')
  t.equal(await pick('round_robin'), 'busy')
  t.equal(await pick('best_skill'), 'expert')
})
