import fc from 'fast-check'
import { test } from 'tap'
import { among } from '../../src/routing/among.js'
import { createMatcher, type Matcher } from '../../src/routing/match.js'
import { scan } from '../../src/routing/scan.js'
import { comparePlaces, readClasses, readHeads } from '../../src/routing/scan-store.js'
import type { Candidate } from '../../src/routing/selection.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, dispatch, enqueue, item, node, pending, queue } from './harness.js'

const AGENTS = ['a', 'b', 'c', 'd']
const SKILLS = ['billing', 'product', 'nobody']

const waiting = fc.record({
  skill: fc.option(fc.constantFrom(...SKILLS)),
  kind: fc.constantFrom('webchat' as const, 'email' as const),
  agoS: fc.integer({ min: 0, max: 600 }),
  /** Seconds of its first step; behind it no skill is asked for. */
  seconds: fc.option(fc.constantFrom(30, 300)),
  excluded: fc.option(fc.constantFrom(...AGENTS)),
  told: fc.boolean(),
})
const person = fc.record({
  skills: fc.dictionary(fc.constantFrom('billing', 'product'), fc.constant(5)),
  free: fc.integer({ min: 0, max: 100 }),
  available: fc.boolean(),
})

test(
  'skipping whole classes finds the same work for the same agents as looking at every item',
  { timeout: 170_000 },
  async (t) => {
    const store = await withDatabase(t)
    const here = node(store)
    t.teardown(() => here.stop())
    let offered = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(waiting, { maxLength: 30 }),
        fc.array(person, { minLength: 1, maxLength: AGENTS.length }),
        async (items, people) => {
          await store.pool.query(`truncate work_item cascade`)
          for (const one of items) {
            const steps = one.seconds === null ? [] : [{ seconds: one.seconds }, { skills: {} }]
            const first = one.skill === null ? {} : { skills: { [one.skill]: 3 } }
            const plan = { steps: [{ ...first, ...steps[0] }, ...steps.slice(1)] }
            const { item } = await enqueue(store, here, { kind: one.kind, agoS: one.agoS, plan })
            await store.pool.query(
              `update work_item set step_from = first_enqueued_at, excluded = $2,
               waiting_reason = case when $3 then 'waiting_capacity' end where id = $1`,
              [item, one.excluded === null ? {} : { [one.excluded]: '2999-01-01T00:00:00Z' }, one.told],
            )
          }
          const [quick, slow] = [await found(store, people), await everyItem(store, people)]
          offered += slow.length
          if (JSON.stringify(quick) !== JSON.stringify(slow))
            throw new Error(`${JSON.stringify(quick)} instead of ${JSON.stringify(slow)}`)
        },
      ),
      { numRuns: Number(process.env['THROUGHLINE_RUNS'] ?? 40) },
    )
    t.ok(offered > 20, `${offered} offers`)
  },
)

const queues = new Map([['support', queue('support')]])

function matcherFor(people: readonly { skills: Record<string, number>; free: number; available: boolean }[]) {
  const candidates = people.map((one, i): Candidate => ({
    agent: AGENTS[i]!,
    teams: [],
    skills: one.skills,
    languages: {},
    perChannelMax: {},
    capacity: 100,
    reserved: 0,
    active: 100 - one.free,
    byChannel: {},
    lastAssignedAt: null,
    status: 'online',
    channels: {},
    available: one.available,
  }))
  return createMatcher({ queues, defaultQueue: 'support', candidates, now: Date.now() })
}

const pairs = (matches: readonly ReturnType<Matcher['match']>[]) =>
  matches.flatMap(({ row, candidate }) => (candidate === null ? [] : [[row.id, candidate.agent]]))

async function found(store: Store, people: Parameters<typeof matcherFor>[0]) {
  const ask = {
    queues: ['support'],
    matcher: matcherFor(people),
    room: () => true,
    thorough: new Set(['support']),
    among: among(queues),
    offers: 1000,
    changes: 1000,
  }
  return store.db.transaction().execute(async (trx) => pairs((await scan(trx, ask)).matches))
}

async function everyItem(store: Store, people: Parameters<typeof matcherFor>[0]) {
  const { match } = matcherFor(people)
  return store.db.transaction().execute(async (trx) => {
    const classes = (await readHeads(trx, 'support')).map((head) => head.class)
    const rows = await readClasses(trx, 'support', classes, { after: null, each: 1000 })
    return pairs(rows.toSorted(comparePlaces).map(match))
  })
}

test('work nobody can take, however much of it stands in front, hides nothing, and says why it waits', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { skills: { billing: 3 } })
  await store.pool.query(
    `insert into work_item (id, conversation_id, channel, channel_kind, queue, state, priority, rank_at, units, plan, plan_version)
     select gen_random_uuid(), gen_random_uuid(), 'c', 'webchat', 'support', 'queued', 'normal', now() - interval '1 hour', 25,
       '{"steps":[{"skills":{"nobody":1}}]}', '1' from generate_series(1, 1500)`,
  )
  const { item: id } = await enqueue(store, here, { plan: { steps: [{ skills: { billing: 3 } }] } })
  await dispatch(here)
  t.match(await pending(store), [{ item_id: id, agent_id: 'a' }])
  const { rows } = await store.pool.query(
    `select waiting_reason, count(*)::int as n, count(distinct class)::int as classes from work_item
     where state = 'queued' group by 1`,
  )
  t.strictSame(rows, [{ waiting_reason: 'no_route', n: 1500, classes: 1 }])
})

test('a step that is due is taken although the class it leaves is hopeless', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { item: id } = await enqueue(store, here, { plan: { steps: [{ skills: { nobody: 1 }, seconds: 60 }, {}] } })
  await dispatch(here)
  t.strictSame(await pending(store), [])
  await store.pool.query(`update work_item set step_from = step_from - interval '61 s'`)
  await dispatch(here)
  t.match(await pending(store), [{ item_id: id, agent_id: 'a' }])
  t.equal((await item(store, id))['step'], 1)
})
