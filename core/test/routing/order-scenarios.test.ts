import { test } from 'tap'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, dispatch, enqueue, node, offers, pending, type TestNode } from './harness.js'

const patience = { timeout: 170_000 }
const system = { actor: { kind: 'system', id: null } } as const

async function office(t: { teardown(run: () => Promise<void>): void }): Promise<{ store: Store; here: TestNode }> {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  return { store, here }
}

/** Nobody beats here: leases have to last as long as the test. */
const stay = (store: Store) => store.pool.query(`update presence_session set lease_until = now() + interval '1 hour'`)

test(
  'R05: behind one urgent item a minute, a low one is served after 75 minutes and not later',
  patience,
  async (t) => {
    const { store, here } = await office(t)
    await agent(store, here, 'a', { capacity: 25 })
    await stay(store)
    const low = await enqueue(store, here, { plan: { priority: 'low' }, agoS: 7200 })
    let minute = -1
    for (let served = ''; served !== low.item;) {
      minute += 1
      await enqueue(store, here, { plan: { priority: 'urgent' }, agoS: 7200 - 60 * minute })
      await dispatch(here)
      const [offer] = await pending(store)
      served = offer?.item_id ?? ''
      if (offer === undefined) break
      await here.work.accept(offer.id, 'a', 'c')
      // The next urgent item arrives while the agent still has this one: the place is free again only then.
      await store.pool.query(`update agent_load set accepting = false`)
      await here.work.complete(offer.conversation_id, null, system)
      await here.settled()
      await store.pool.query(`update agent_load set accepting = true`)
    }
    t.equal(minute, 75)
  },
)

test('R09: two items of the same place are offered in the same order, a hundred times', patience, async (t) => {
  const { store, here } = await office(t)
  await agent(store, here, 'a', { capacity: 25 })
  await stay(store)
  const first = new Set<boolean>()
  for (let i = 0; i < 100; i++) {
    const [x, y] = [await enqueue(store, here), await enqueue(store, here)]
    await store.pool.query(`update work_item set rank_at = now(), first_enqueued_at = now() where state = 'queued'`)
    await dispatch(here)
    const [offer] = await pending(store)
    first.add(offer?.item_id === [x.item, y.item].sort()[0])
    await store.pool.query(`update agent_load set accepting = false`)
    for (const { conversation } of [x, y]) await here.work.complete(conversation, null, system)
    await here.settled()
    await store.pool.query(`update agent_load set accepting = true`)
  }
  t.strictSame([...first], [true], 'by id')
})

test('R15: with as many e-mails as one may have, an agent is offered the chat', async (t) => {
  const { store, here } = await office(t)
  await agent(store, here, 'a', { perChannel: { email: 5 } })
  for (let i = 0; i < 5; i++) await enqueue(store, here, { kind: 'email' })
  await dispatch(here)
  for (const { id } of await pending(store)) await here.work.accept(id, 'a', 'c')
  await enqueue(store, here, { kind: 'email', agoS: 60 })
  const { item } = await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ item_id: item, agent_id: 'a' }])
  t.equal((await offers(store, `state = 'accepted'`)).length, 5)
})

test('R20: whoever has the level asked for first and becomes free before the step ends gets it', async (t) => {
  const { store, here } = await office(t)
  await agent(store, here, 'b', { capacity: 25, skills: { billing: 5 } })
  const busy = await enqueue(store, here)
  await dispatch(here)
  await here.work.accept((await pending(store))[0]!.id, 'b', 'c')
  await agent(store, here, 'a', { skills: { billing: 3 } })
  const { item } = await enqueue(store, here, {
    agoS: 30,
    plan: { steps: [{ skills: { billing: 4 }, seconds: 60 }, { skills: { billing: 3 } }] },
  })
  await store.pool.query(`update work_item set step_from = first_enqueued_at where id = $1`, [item])
  await dispatch(here)
  t.strictSame(await pending(store), [], 'A has not the level')
  await here.work.complete(busy.conversation, null, system)
  await here.settled()
  t.match(await pending(store), [{ item_id: item, agent_id: 'b' }])
})

test('R29: when the last agent is offline, others are asked at once', async (t) => {
  const { store, here } = await office(t)
  await agent(store, here, 'l', { status: null })
  await agent(store, here, 'a')
  const { item } = await enqueue(store, here, { preferred: ['l'] })
  await dispatch(here)
  t.match(await pending(store), [{ item_id: item, agent_id: 'a' }])
})

test('R64: a node whose clock is fast, by an hour even, expires nothing early', async (t) => {
  const { store, here } = await office(t)
  const fast = node(store, { clock: { now: () => Date.now() + 3_600_000 } })
  t.teardown(() => fast.stop())
  await agent(store, here, 'a')
  await stay(store)
  await enqueue(store, here)
  await dispatch(fast)
  const [offer] = await pending(store)
  t.equal(Math.round(offer?.seconds ?? 0), 20, 'twenty seconds by the database')
  // So little is left that the node's own clock would say it is over.
  await store.pool.query(`update offer set expires_at = clock_timestamp() + interval '60 s'`)
  await fast.run('offer.expire', { offer: offer?.id })
  t.equal((await offers(store, 'expires_at > clock_timestamp()'))[0]?.state, 'pending')
  await store.pool.query(`update offer set expires_at = clock_timestamp()`)
  await fast.run('offer.expire', { offer: offer?.id })
  t.equal((await offers(store))[0]?.state, 'expired')
})
