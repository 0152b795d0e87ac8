import { test } from 'tap'
import { openStore, type Store } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, node, pending, queue, runOut } from './harness.js'

/** A second node: its own pool on the same database. */
async function second(t: { teardown(run: () => Promise<void>): void }, store: Store): Promise<Store> {
  const other = await openStore({ url: store.url, dataDir: '', log: silentLog, poolSize: 4 })
  t.teardown(() => other.close())
  return other
}

const patience = { timeout: 170_000 }

test('R40 two dispatchers, one item, two agents: one offer', patience, async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [node(store), node(await second(t, store))]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  await agent(store, one, 'a')
  await agent(store, two, 'b')
  for (let round = 0; round < 50; round++) {
    const { conversation } = await enqueue(store, one)
    await Promise.all([dispatch(one), dispatch(two)])
    t.equal((await pending(store)).length, 1)
    await one.work.complete(conversation, null, { actor: { kind: 'system', id: null } })
    await Promise.all([one.settled(), two.settled()])
  }
  t.strictSame(await broken(store), [])
})

test(
  'R42 ten dispatchers hand 100 chats to 20 agents with four places each: 80 offers, the worst 20 wait',
  patience,
  async (t) => {
    const store = await withDatabase(t, { poolSize: 20 })
    const queues = [queue('support'), ...Array.from({ length: 9 }, (_, i) => queue(`q${i}`))]
    const nodes = Array.from({ length: 10 }, () => node(store, { queues }))
    t.teardown(() => Promise.all(nodes.map((one) => one.stop())).then(() => undefined))
    const first = nodes[0]!
    for (let i = 0; i < 20; i++) await agent(store, first, `a${i}`)
    for (let i = 0; i < 100; i++) await enqueue(store, first, { agoS: 1000 - i })
    await Promise.all(nodes.map((one) => dispatch(one)))
    t.equal((await pending(store)).length, 80)
    const { rows } = await store.pool.query(`
    select bool_and(state = 'offered') filter (where place <= 80) as best, bool_and(state = 'queued') filter (where place > 80) as worst
    from (select state, row_number() over (order by rank_at) as place from work_item) w`)
    t.strictSame(rows, [{ best: true, worst: true }])
    t.strictSame(await broken(store), [])
  },
)

test('R42 dispatchers of ten queues share the same agents without overfilling anybody', patience, async (t) => {
  const store = await withDatabase(t, { poolSize: 20 })
  const queues = [queue('support'), ...Array.from({ length: 9 }, (_, i) => queue(`q${i}`))]
  const nodes = Array.from({ length: 10 }, () => node(store, { queues }))
  t.teardown(() => Promise.all(nodes.map((one) => one.stop())).then(() => undefined))
  const first = nodes[0]!
  for (let i = 0; i < 20; i++) await agent(store, first, `a${i}`)
  for (let i = 0; i < 100; i++) await enqueue(store, first, { plan: { queue: queues[i % 10]!.id } })
  // Each node begins with another queue, so that ten transactions compete for the same agents.
  nodes.forEach((one, i) => one.work.wake([...queues.slice(i), ...queues.slice(0, i)].map((q) => q.id)))
  await Promise.all(nodes.map((one) => one.settled()))
  t.strictSame(await broken(store), [])
  t.equal((await pending(store)).length, 80)
  t.strictSame(
    nodes.flatMap((one) => one.warnings),
    [],
  )
})

test('R65 a thousand equal chats are spread evenly over ten equal agents', patience, async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  for (let i = 0; i < 10; i++) await agent(store, here, `a${i}`, { capacity: 100_000 })
  await store.pool.query(`
    insert into work_item (id, conversation_id, channel, channel_kind, queue, state, priority, rank_at, units, plan, plan_version)
    select gen_random_uuid(), gen_random_uuid(), 'c', 'webchat', 'support', 'queued', 'normal', now(), 25, '{}', '1'
    from generate_series(1, 1000)`)
  await dispatch(here)
  const { rows } = await store.pool.query(`select count(*)::int as n from offer group by agent_id`)
  t.strictSame(
    rows.map((row) => row.n),
    Array.from({ length: 10 }, () => 100),
  )
})

test('offers that run out together are expired as a set, each once, on any number of nodes', patience, async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [node(store), node(await second(t, store))]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  for (let i = 0; i < 10; i++) await agent(store, one, `a${i}`)
  for (let i = 0; i < 40; i++) await enqueue(store, one)
  await dispatch(one)
  t.equal((await pending(store)).length, 40)
  await runOut(store)
  await Promise.all([one.sweep(), two.sweep(), one.sweep(), two.sweep()])
  await Promise.all([one.settled(), two.settled()])
  const expired = [...one.events, ...two.events].filter((event) => event.type === 'offer.expired')
  t.equal(expired.length, 40)
  t.equal(new Set(expired.map((event) => event.data['offerId'])).size, 40)
  t.strictSame(await broken(store), [])
})
