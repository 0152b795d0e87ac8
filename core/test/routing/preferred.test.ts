import { test } from 'tap'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, pending, queue, type TestNode } from './harness.js'

/** As if so many seconds had passed for everything that waits. */
async function pass(store: Store, seconds: number): Promise<void> {
  await store.pool.query(
    `update work_item set step_from = step_from - make_interval(secs => $1), hold_until = hold_until - make_interval(secs => $1)`,
    [seconds],
  )
}

async function sweep(here: TestNode): Promise<void> {
  await here.sweep()
  await here.settled()
}

/** Gives the agent a chat, accepted. Answers its conversation. */
async function occupy(store: Store, here: TestNode, id: string): Promise<string> {
  const { conversation } = await enqueue(store, here)
  await here.work.claim(conversation, id, { actor: { kind: 'agent', id } })
  return conversation
}

test('R22 a step is passed over at once when nobody it asks for is logged in', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { skills: { billing: 2 } })
  await agent(store, here, 'expert', { skills: { billing: 5 }, status: null })
  const steps = [{ skills: { billing: 4 }, seconds: 60, skipIf: 'logged_in==0' as const }, { skills: { billing: 1 } }]
  const { item: id } = await enqueue(store, here, { plan: { steps } })
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'a' }])
  t.match(await item(store, id), { step: 1 })
})

test('R23 a step whose agents are logged in and full is not passed over', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { skills: { billing: 2 } })
  await agent(store, here, 'expert', { skills: { billing: 5 }, capacity: 25 })
  await occupy(store, here, 'expert')
  const step = (skipIf: 'logged_in==0' | 'free==0') => [
    { skills: { billing: 4 }, seconds: 60, skipIf },
    { skills: { billing: 1 } },
  ]
  await enqueue(store, here, { plan: { steps: step('logged_in==0') } })
  await dispatch(here)
  await pass(store, 59)
  await sweep(here)
  t.strictSame(await pending(store), [], 'it waits its sixty seconds')
  await pass(store, 2)
  await sweep(here)
  t.match(await pending(store), [{ agent_id: 'a' }])
  const other = await enqueue(store, here, { plan: { steps: step('free==0') } })
  await dispatch(here)
  t.match(await pending(store), [{}, { agent_id: 'a', item_id: other.item }], 'free is another question')
})

test('R25 a hard skill is never dropped: when all steps are used, supervisors are told and the chat becomes a message', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support', { skills: { pci: 1 } })] })
  t.teardown(() => here.stop())
  await agent(store, here, 'without', { skills: { billing: 9 } })
  await agent(store, here, 'licensed', { skills: { pci: 3 }, status: null })
  const steps = [{ skills: { billing: 3 }, seconds: 30 }, { drop: ['billing'] }]
  const { item: id } = await enqueue(store, here, { plan: { steps } })
  await dispatch(here)
  await pass(store, 31)
  await sweep(here)
  await sweep(here)
  t.strictSame(await pending(store), [])
  t.match(await item(store, id), { waiting_reason: 'unattended', channel_kind: 'messaging', units: 20, step: 1 })
  const alerts = here.events.filter((event) => event.type === 'routing.alert')
  t.match(alerts, [{ data: { item: id, reason: 'unattended' } }])
  t.equal(alerts.length, 1, 'once')
  await agent(store, here, 'came', { skills: { pci: 2 } })
  await sweep(here)
  t.match(await pending(store), [{ agent_id: 'came' }])
})

test('R28 an item is kept for a preferred agent who is there and full, until the hold is over', async (t) => {
  for (const [freesAt, expected] of [
    [20, 'l'],
    [40, 'pool'],
  ] as const) {
    const store = await withDatabase(t)
    const here = node(store)
    t.teardown(() => here.stop())
    await agent(store, here, 'l', { capacity: 25 })
    await agent(store, here, 'pool')
    const busy = await occupy(store, here, 'l')
    const { item: id } = await enqueue(store, here, { preferred: ['l'] })
    await dispatch(here)
    t.strictSame(await pending(store), [])
    t.match(await item(store, id), { waiting_reason: 'hold_preferred' })
    await pass(store, 20)
    await sweep(here)
    t.strictSame(await pending(store), [], 'still kept after 20 s')
    if (freesAt === 40) {
      await pass(store, 11)
      await sweep(here)
    } else {
      await here.work.complete(busy, null, { actor: { kind: 'agent', id: 'l' } })
      await here.settled()
    }
    t.match(await pending(store), [{ agent_id: expected }], `free at ${freesAt} s`)
    t.match(await item(store, id), { hold_until: null })
  }
})

test('R31 an account manager takes one item over capacity; the next one waits the hold and goes to the backup', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'm')
  await agent(store, here, 'backup')
  await agent(store, here, 'anybody')
  for (let i = 0; i < 4; i++) await occupy(store, here, 'm')
  t.match(await load(store, 'm'), { active: 100 })
  const first = await enqueue(store, here, { preferred: ['m', 'backup'], overcommit: ['m'] })
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'm', item_id: first.item, reason: 'overcommit' }])
  t.match(await load(store, 'm'), { reserved: 25, active: 100 })
  const second = await enqueue(store, here, { preferred: ['m', 'backup'], overcommit: ['m'] })
  await dispatch(here)
  t.match(await item(store, second.item), { state: 'queued', waiting_reason: 'hold_preferred' })
  await pass(store, 31)
  await sweep(here)
  t.match(await pending(store), [{}, { agent_id: 'backup', item_id: second.item, reason: 'preferred' }])
  t.strictSame(await broken(store), [])
})

test('R32 a manager on leave is stood in for at once; without a stand-in the item is half an hour ahead', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'm', { status: null })
  await agent(store, here, 'backup', { lastAssigned: '2026-02-01T00:00:00Z' })
  await agent(store, here, 'idle', { lastAssigned: '2026-01-01T00:00:00Z' })
  await enqueue(store, here, { preferred: ['m', 'backup'], overcommit: ['m'] })
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'backup' }])

  const without = await withDatabase(t)
  const there = node(without)
  t.teardown(() => there.stop())
  await agent(without, there, 'm', { status: null })
  await agent(without, there, 'a', { capacity: 25 })
  await enqueue(without, there, { agoS: 20 * 60 })
  const vip = await enqueue(without, there, { preferred: ['m'], overcommit: ['m'], plan: { headStartS: 1800 } })
  await dispatch(there)
  t.match(await pending(without), [{ agent_id: 'a', item_id: vip.item }])
})

test('R34 when the only agent declines, supervisors hear at once and the agent is asked again after two minutes', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  await here.work.decline(offer?.id ?? '', 'a', null, 'c')
  await here.settled()
  t.strictSame(await pending(store), [])
  t.match(await item(store, id), { waiting_reason: 'all_declined' })
  const alerts = () => here.events.filter((event) => event.type === 'routing.alert')
  t.match(alerts(), [{ data: { item: id, reason: 'all_declined' } }])
  await sweep(here)
  t.equal(alerts().length, 1, 'once')
  await store.pool.query(`update work_item set excluded = jsonb_build_object('a', now() - interval '1 s')`)
  await sweep(here)
  t.match(await pending(store), [{ agent_id: 'a' }])
})

test('R35 when all of a step decline, the next step is entered at once and they stay left alone', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { skills: { billing: 5 } })
  await agent(store, here, 'b', { skills: { billing: 5 } })
  await agent(store, here, 'c', { skills: { billing: 1 } })
  const steps = [{ skills: { billing: 4 }, seconds: 300 }, { skills: { billing: 1 } }]
  const { item: id } = await enqueue(store, here, { plan: { steps } })
  await dispatch(here)
  for (let i = 0; i < 2; i++) {
    const [offer] = await pending(store)
    t.ok(['a', 'b'].includes(offer?.agent_id ?? ''))
    await here.work.decline(offer?.id ?? '', offer?.agent_id ?? '', null, `c${i}`)
    await here.settled()
  }
  t.match(await pending(store), [{ agent_id: 'c' }])
  t.match(await item(store, id), { step: 1 })
  t.match(
    here.events.filter((event) => event.type === 'routing.alert'),
    [{ data: { reason: 'all_declined' } }],
  )
  const { excluded } = (await item(store, id)) as { excluded: Record<string, string> }
  for (const name of ['a', 'b'])
    t.ok(Date.parse(excluded[name] ?? '') > Date.now() + 100_000, `${name} for two minutes`)
})

test('a step that asks for a translation says so in its offer', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const steps = [{ languages: { de: 'B1' }, seconds: 10 }, { translate: true }]
  await enqueue(store, here, { plan: { steps } })
  await dispatch(here)
  t.strictSame(await pending(store), [])
  await pass(store, 11)
  await sweep(here)
  t.match(await pending(store), [{ agent_id: 'a' }])
  t.match(
    here.events.filter((event) => event.type === 'offer.created'),
    [{ data: { translate: true } }],
  )
})
