import fc from 'fast-check'
import { test } from 'tap'
import type { QueueConfig } from '../../src/config/contract.js'
import { headStart } from '../../src/routing/units.js'
import { withDatabase } from '../support/database.js'
import { agent, dispatch, enqueue, node, pending, queue } from './harness.js'

const MINUTE = 60

/** Items the agent was asked about, in the order of being asked. */
async function asked(store: Awaited<ReturnType<typeof withDatabase>>): Promise<string[]> {
  const { rows } = await store.pool.query<{ item_id: string }>('select item_id from offer order by id')
  return rows.map((row) => row.item_id)
}

test('who serves two queues gets what came first, whichever queue it stands in', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('sales')] })
  t.teardown(() => here.stop())
  await enqueue(store, here, { agoS: 5 * MINUTE, plan: { queue: 'support' } })
  const old = await enqueue(store, here, { agoS: 20 * MINUTE, plan: { queue: 'sales' } })
  await agent(store, here, 'a', { capacity: 25 })
  t.match(await pending(store), [{ item_id: old.item, agent_id: 'a' }])
})

test('the head start of a queue brings its work forward by so much and no more', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('vip', { headStartSeconds: 10 * MINUTE })] })
  t.teardown(() => here.stop())
  const older = await enqueue(store, here, { agoS: 20 * MINUTE, plan: { queue: 'support' } })
  const old = await enqueue(store, here, { agoS: 8 * MINUTE, plan: { queue: 'support' } })
  const vip = await enqueue(store, here, { agoS: MINUTE, plan: { queue: 'vip' } })
  await agent(store, here, 'a', { capacity: 75 })
  await dispatch(here)
  t.strictSame(await asked(store), [older.item, vip.item, old.item])
})

test('the years a strict queue puts between its priorities keep no other queue waiting', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('strict', { strict: true })] })
  t.teardown(() => here.stop())
  const old = await enqueue(store, here, { agoS: 120 * MINUTE, plan: { queue: 'support' } })
  const low = await enqueue(store, here, { agoS: 200 * MINUTE, plan: { queue: 'strict', priority: 'low' } })
  const high = await enqueue(store, here, { agoS: MINUTE, plan: { queue: 'strict', priority: 'high' } })
  await agent(store, here, 'a', { capacity: 75 })
  await dispatch(here)
  t.strictSame(
    await asked(store),
    [old.item, high.item, low.item],
    'inside the strict queue high goes before low all the same',
  )
})

test('an agent who declines is asked next about what comes first in all of their queues', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('sales')] })
  t.teardown(() => here.stop())
  const first = await enqueue(store, here, { agoS: 30 * MINUTE, plan: { queue: 'support' } })
  const second = await enqueue(store, here, { agoS: 20 * MINUTE, plan: { queue: 'sales' } })
  await enqueue(store, here, { agoS: 10 * MINUTE, plan: { queue: 'support' } })
  await agent(store, here, 'a', { capacity: 25 })
  const [offer] = await pending(store)
  t.match(offer, { item_id: first.item })
  await here.work.decline(offer?.id ?? '', 'a', 'busy', 'test')
  await here.settled()
  t.match(await pending(store), [{ item_id: second.item }])
})

test('what is wrong with one queue does not keep the work of the others', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('broken'), queue('support')] })
  t.teardown(() => here.stop())
  const bad = await enqueue(store, here, { agoS: 30 * MINUTE, plan: { queue: 'broken' } })
  await store.pool.query(`update work_item set plan = '{"steps":7}' where id = $1`, [bad.item])
  const good = await enqueue(store, here, { agoS: MINUTE, plan: { queue: 'support' } })
  await agent(store, here, 'a', { capacity: 100 })
  t.match(await pending(store), [{ item_id: good.item }])
  t.match(here.warnings, [{ queue: 'broken' }])
})

const places = fc.array(
  fc.record({
    queue: fc.constantFrom('one', 'two', 'three'),
    agoS: fc.integer({ min: 0, max: 10_000 }),
    priority: fc.constantFrom('low' as const, 'normal' as const, 'high' as const, 'urgent' as const),
    skill: fc.option(fc.constantFrom('held', 'missing')),
  }),
  { minLength: 1, maxLength: 12 },
)
const ahead = fc.record({ one: fc.integer({ min: -900, max: 900 }), two: fc.integer({ min: 0, max: 3600 }) })

test(
  'whatever waits in three queues is asked about in one order of arrival and head starts',
  { timeout: 170_000 },
  async (t) => {
    const store = await withDatabase(t)
    let offers = 0
    await fc.assert(
      fc.asyncProperty(places, ahead, async (items, starts) => {
        await store.pool.query('truncate work_item, offer, agent, agent_load, agent_presence, presence_session cascade')
        const queues: QueueConfig[] = [
          queue('one', { headStartSeconds: starts.one }),
          queue('two', { headStartSeconds: starts.two }),
          queue('three'),
        ]
        const here = node(store, { queues })
        const expected: { id: string; place: number }[] = []
        for (const { skill, priority, ...one } of items) {
          const steps = skill === null ? [] : [{ skills: { [skill]: 1 } }]
          const { item } = await enqueue(store, here, { agoS: one.agoS, plan: { queue: one.queue, priority, steps } })
          const own = queues.find(({ id }) => id === one.queue)?.headStartSeconds ?? 0
          const place = -one.agoS - headStart(priority) - own
          if (skill !== 'missing') expected.push({ id: item, place })
        }
        await agent(store, here, 'a', { capacity: 25 * 12, skills: { held: 1 } })
        await here.settled()
        await here.stop()
        const got = await asked(store)
        offers += got.length
        // Items that came in the same second are told apart by parts of it that this test does not see.
        const places = got.map((id) => expected.find((one) => one.id === id)?.place ?? Number.NaN)
        const sorted = expected.map(({ place }) => place).toSorted((a, b) => a - b)
        if (JSON.stringify(places) !== JSON.stringify(sorted))
          throw new Error(`${places.join()} instead of ${sorted.join()}`)
      }),
      { numRuns: Number(process.env['THROUGHLINE_RUNS'] ?? 30) },
    )
    t.ok(offers > 30, `${offers} offers`)
  },
)
