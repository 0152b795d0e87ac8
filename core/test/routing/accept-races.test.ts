import { test } from 'tap'
import { openStore, type Store } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueueMany, load, node, offers, pending, type TestNode } from './harness.js'

/** A second node: its own pool on the same database. */
async function second(t: { teardown(run: () => Promise<void>): void }, store: Store): Promise<Store> {
  const other = await openStore({ url: store.url, dataDir: '', log: silentLog, poolSize: 4 })
  t.teardown(() => other.close())
  return other
}

const outcome = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'won',
    (error: unknown) => (error as { code: string }).code,
  )

/** So many pending offers at agent `a`. */
async function someOffers(
  store: Store,
  here: TestNode,
  count: number,
): Promise<readonly { id: string; conversation_id: string }[]> {
  await enqueueMany(store, here, count)
  await dispatch(here)
  return pending(store)
}

/** Runs `race` over all, a few at a time: enough to cross each other, few enough for the two acts of one to meet. */
async function inLanes<T>(all: readonly T[], race: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all]
  const lane = async (): Promise<void> => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) await race(next)
  }
  await Promise.all([lane(), lane(), lane()])
}

const patience = { timeout: 170_000 }

test('R37 1,000 races of an acceptance with an acceptance on two nodes have one winner each', patience, async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [node(store), node(await second(t, store))]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  await agent(store, one, 'a', { capacity: 1_000_000 })
  const seen = new Map<string, number>()
  for (let round = 0; round < 10; round++) {
    await inLanes(await someOffers(store, one, 100), async ({ id }) => {
      const results = await Promise.all([
        outcome(one.work.accept(id, 'a', 'x')),
        outcome(two.work.accept(id, 'a', 'y')),
      ])
      const key = results.sort().join(' ')
      seen.set(key, (seen.get(key) ?? 0) + 1)
    })
  }
  t.strictSame([...seen], [['TL_OFFER_ALREADY_TAKEN won', 1000]])
  t.equal([...one.events, ...two.events].filter((event) => event.type === 'work.assigned').length, 1000)
  t.match(await load(store, 'a'), { active: 25_000, reserved: 0 })
  t.strictSame(await broken(store), [])
})

test('R37 1,000 races of an acceptance with the expiry end in one of the two, never stuck', patience, async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [node(store), node(await second(t, store))]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  const session = await agent(store, one, 'a', { capacity: 1_000_000 })
  const seen = new Map<string, number>()
  const system = { actor: { kind: 'system', id: null } } as const
  for (let round = 0; round < 10; round++) {
    const items = await someOffers(store, one, 100)
    // Without a connection nothing counts as a miss and nothing is offered anew until the round is over.
    await one.presence.disconnected(session, false)
    await inLanes(items, async ({ id }) => {
      // The time runs out while both are on their way: either may be first at the item's lock.
      await store.pool.query(
        `update offer set expires_at = clock_timestamp() + make_interval(secs => $2) where id = $1`,
        [id, Math.random() / 30],
      )
      const [accepted] = await Promise.all([outcome(one.work.accept(id, 'a', 'x')), expireUntilDecided(store, two, id)])
      const [row] = await offers(store, `id = '${id}'`)
      const key = `${accepted} ${row?.state ?? 'gone'}`
      seen.set(key, (seen.get(key) ?? 0) + 1)
    })
    for (const { conversation_id } of items) await one.work.complete(conversation_id, null, system)
    await Promise.all([one.settled(), two.settled()])
    await one.presence.connected({ id: session, agent: 'a' })
  }
  t.comment(seen)
  t.same([...seen.keys()].sort(), ['TL_OFFER_EXPIRED expired', 'won accepted'], 'both were seen, and nothing else')
  t.equal(
    [...seen.values()].reduce((sum, n) => sum + n, 0),
    1000,
  )
  t.match(await load(store, 'a'), { active: 0, reserved: 0 })
  t.strictSame(await broken(store), [])
})

/** What the job does, again and again until the offer is decided. */
async function expireUntilDecided(store: Store, on: TestNode, offer: string): Promise<void> {
  for (;;) {
    await on.run('offer.expire', { offer })
    const [row] = await offers(store, `id = '${offer}'`)
    if (row?.state !== 'pending') return
  }
}
