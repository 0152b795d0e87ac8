import { test } from 'tap'
import { Sequencer } from '../../src/events/sequencer.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'
import { AGENTS } from './acts.js'
import { agent, broken, node } from './harness.js'
import { differences, replayed, stored } from './replay.js'
import { storm, STORM_QUEUES, unrepaired, type Storm } from './storm.js'

/** The same storm again: THROUGHLINE_SEED. A longer one: THROUGHLINE_STORM_SECONDS. */
const seed = Number(process.env['THROUGHLINE_SEED'] ?? Date.now() % 1_000_000)
const seconds = Number(process.env['THROUGHLINE_STORM_SECONDS'] ?? 15)

test('dispatchers in three processes, one after the other killed', { timeout: 170_000 + seconds * 2000 }, async (t) => {
  const store = await withDatabase(t, { poolSize: 6 })
  const writer = new Sequencer({ db: store.db, log: silentLog, moved: () => undefined })
  const here = node(store, { queues: STORM_QUEUES, writer })
  t.teardown(() => here.stop())
  for (const id of AGENTS) await agent(store, here, id, { perChannel: { voice: 1 } })
  const result: Storm = await storm(store, { seed, seconds })
  t.comment(`seed ${seed}: ${result.kills} kills, ${result.checks} checks, ${result.sweeps} sweeps`)
  const wrong = (id: string): readonly string[] => [...(result.wrong.get(id) ?? [])].slice(0, 5)
  t.strictSame(result.faults.slice(0, 5), [], 'nothing but refusals')
  t.ok(result.kills > 0 && result.checks > 0 && result.sweeps > 3, 'nodes were killed, looked at, and swept')
  const { rows } = await store.pool.query<{ state: string; n: number }>(
    `select state, count(*)::int as n from offer group by 1 order by 1`,
  )
  t.comment(rows.map(({ state, n }) => `${state} ${n}`).join(', '))
  t.ok(rows.length >= 6, 'offers have ended in many ways')

  await t.test('I1: at most one live assignment an item, at most one pending offer', async (t) =>
    t.strictSame([...wrong('I1'), ...wrong('assigned'), ...wrong('winner')], []),
  )
  await t.test('I2: what agents are loaded with is the sum of their offers, at every commit', async (t) =>
    t.strictSame(wrong('I2'), []),
  )
  await t.test('I3: nobody is above capacity unless a supervisor forced it', async (t) => t.strictSame(wrong('I3'), []))
  await t.test(
    'I4: an item is offered while an offer is pending, and no offer outlives its time and the sweeps',
    async (t) => t.strictSame(wrong('I4'), []),
  )
  await t.test('I5: no item waits beside an agent who could have it', async (t) => {
    t.strictSame(wrong('I5'), [], 'while nodes died')
    for (let i = 0; i < 3; i++) {
      await here.sweep()
      await here.settled()
    }
    t.strictSame(await unrepaired(store), [], 'and after the storm')
  })
  await t.test('I8: every item that waits says why', async (t) => t.strictSame(wrong('I8'), []))
  await t.test('I7: the events alone rebuild items, offers and loads', async (t) => {
    for (let again = true; again;) {
      const { rows } = await store.pool.query<{ moved: number }>('select sequence_outbox(1000) as moved')
      again = (rows[0]?.moved ?? 0) > 0
    }
    const [told, kept] = [await replayed(store), await stored(store)]
    t.comment(`${told.events} events, ${kept.items.size} items, ${kept.offers.size} offers`)
    t.ok(kept.offers.size > 20, 'there is something to compare')
    t.strictSame(differences(told.items, kept.items).slice(0, 3), [], 'items')
    t.strictSame(differences(told.offers, kept.offers).slice(0, 3), [], 'offers')
    t.strictSame(differences(told.loads, kept.loads).slice(0, 3), [], 'loads')
  })
  await t.test('I10: with every browser gone, nothing waits for one', async (t) => {
    await store.pool.query(
      `update presence_session set lease_until = now() - interval '10 min', last_beat_at = now() - interval '10 min',
         lost_at = case when lost_at is not null then now() - interval '10 min' end`,
    )
    await store.pool.query(`update agent_presence set changed_at = now() - interval '10 min'`)
    for (let i = 0; i < 3; i++) {
      await here.sweep()
      await here.settled()
    }
    const { rows } = await store.pool.query(
      `select w.state, w.channel_kind, w.waiting_reason from work_item w
       where state = 'offered' or (state = 'queued' and waiting_reason is null)
         or (state in ('assigned', 'wrapping') and channel_kind in ('voice', 'webchat'))`,
    )
    t.strictSame(rows, [], 'real-time work is back in the queue, with a reason')
    t.strictSame(await broken(store), [])
  })
})
