import fc from 'fast-check'
import { test } from 'tap'
import { createMatcher, type Match } from '../../src/routing/match.js'
import type { ScanRow } from '../../src/routing/scan-store.js'
import type { Candidate } from '../../src/routing/selection.js'
import { openStore } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'
import { agent, enqueue, node, pending, queue } from './harness.js'

/** Seconds ahead of a normal item that came at the same moment, as the spec has them. */
const HEAD_START_S = { urgent: 3_600, high: 900, normal: 0, low: -900 } as const
type Priority = keyof typeof HEAD_START_S
const MOST_S = Math.max(...Object.values(HEAD_START_S))

test(
  'I6: an item is overtaken only by items that came less than its disadvantage in head start after it',
  { timeout: 170_000 },
  async (t) => {
    const store = await withDatabase(t)
    const other = await openStore({ url: store.url, dataDir: '', log: silentLog, poolSize: 4 })
    t.teardown(() => other.close())
    const [one, two] = [node(store), node(other)]
    t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
    // One chat at a time, so that every choice is seen.
    await agent(store, one, 'a', { capacity: 25 })
    // No beats here: the lease has to last as long as the test.
    await store.pool.query(`update presence_session set lease_until = now() + interval '1 hour'`)
    const system = { actor: { kind: 'system', id: null } } as const
    const arrival = fc.record({
      priority: fc.constantFrom<Priority>('urgent', 'high', 'normal', 'low'),
      agoS: fc.integer({ min: 0, max: 9_000 }),
      after: fc.nat(12),
    })
    let overtaken = 0
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { minLength: 2, maxLength: 14 }), async (arrivals) => {
        const waiting = new Map<string, { readonly first: number; readonly own: number }>()
        let inHand: string | null = null
        for (let round = 0; round <= 12 || waiting.size > 0; round++) {
          // They arrive while the agent is busy, so that each choice is among all that wait.
          for (const { priority, agoS } of arrivals.filter((each) => each.after === round)) {
            const { item } = await enqueue(store, one, { plan: { priority }, agoS })
            const { rows } = await store.pool.query<{ first: number }>(
              `select extract(epoch from first_enqueued_at)::float8 as first from work_item where id = $1`,
              [item],
            )
            waiting.set(item, { first: rows[0]!.first, own: HEAD_START_S[priority] })
          }
          if (inHand !== null) await one.work.complete(inHand, null, system)
          one.work.wake()
          two.work.wake()
          await Promise.all([one.settled(), two.settled()])
          const [offer, second] = await pending(store)
          if (second !== undefined) throw new Error('two offers for one place')
          inHand = offer?.conversation_id ?? null
          if (offer === undefined) {
            if (waiting.size > 0) throw new Error('nobody is asked although somebody waits')
            continue
          }
          const served = waiting.get(offer.item_id)!
          waiting.delete(offer.item_id)
          for (const { first, own } of waiting.values()) {
            const laterS = served.first - first
            if (laterS <= 0) continue
            overtaken += 1
            if (laterS >= served.own - own) throw new Error(`overtaken out of order: came ${laterS} s later`)
            if (laterS >= MOST_S - own) throw new Error(`overtaken beyond the bound: came ${laterS} s later`)
          }
          await one.work.accept(offer.id, 'a', 'c')
        }
        if (inHand !== null) await one.work.complete(inHand, null, system)
        await one.settled()
      }),
      // Runs share the database: what a failed one left behind would confuse the search for a smaller one.
      { numRuns: Number(process.env['THROUGHLINE_RUNS'] ?? 15), endOnFailure: true },
    )
    t.ok(overtaken > 0, `${overtaken} times an item was overtaken`)
  },
)

const candidate: fc.Arbitrary<Candidate> = fc.record({
  agent: fc.uuid(),
  teams: fc.subarray(['support', 'sales']),
  skills: fc.dictionary(fc.constantFrom('billing', 'product'), fc.integer({ min: 1, max: 5 })),
  languages: fc.constant({}),
  perChannelMax: fc.constant({}),
  capacity: fc.constantFrom(50, 100, 200),
  reserved: fc.constantFrom(0, 25, 50),
  active: fc.constantFrom(0, 25, 50),
  byChannel: fc.constant({}),
  lastAssignedAt: fc.option(fc.constantFrom(new Date(0), new Date(1_000))),
  status: fc.constantFrom('online', 'busy', 'away'),
  channels: fc.constant({}),
  available: fc.boolean(),
})

const item: fc.Arbitrary<ScanRow> = fc.record({
  id: fc.uuid(),
  conversation: fc.uuid(),
  channel: fc.constant('chat'),
  channelKind: fc.constantFrom('webchat', 'email'),
  queue: fc.constantFrom('support', 'sales'),
  extraQueues: fc.constant([]),
  priority: fc.constant('normal'),
  units: fc.constantFrom(10, 25),
  preferred: fc.constant([]),
  overcommit: fc.constant([]),
  excluded: fc.constant({}),
  steps: fc.constantFrom(null, JSON.stringify([{ skills: { billing: 3 }, seconds: 60 }, { skills: { billing: 1 } }])),
  planVersion: fc.constant('1'),
  step: fc.constant(0),
  elapsedS: fc.integer({ min: 0, max: 120 }),
  reason: fc.constant(null),
  class: fc.constant(1),
  rankUs: fc.nat(),
  firstUs: fc.nat(),
})

test('I9: the same items before the same agents are matched alike, in whatever order the agents come', async (t) => {
  const queues = new Map([queue('support', { teams: ['support'] }), queue('sales')].map((one) => [one.id, one]))
  const matched = (rows: readonly ScanRow[], candidates: readonly Candidate[]) => {
    const own = candidates.map((one) => ({ ...one, byChannel: { ...one.byChannel } }))
    const { match } = createMatcher({ queues, defaultQueue: 'support', candidates: own, now: 0 })
    return rows.map((row) => decision(match(row)))
  }
  let offered = 0
  fc.assert(
    fc.property(
      fc.uniqueArray(candidate, { maxLength: 12, selector: (one) => one.agent }),
      fc.uniqueArray(item, { maxLength: 12, selector: (one) => one.id }),
      fc.infiniteStream(fc.nat()),
      (candidates, rows, draws) => {
        const shuffled = candidates
          .map((one) => ({ one, at: draws.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one)
        const [first, again, other] = [matched(rows, candidates), matched(rows, candidates), matched(rows, shuffled)]
        offered += first.filter((each) => each.agent !== null).length
        return JSON.stringify(first) === JSON.stringify(again) && JSON.stringify(first) === JSON.stringify(other)
      },
    ),
    { numRuns: 500 },
  )
  t.ok(offered > 100, `${offered} offers`)
})

const decision = ({ candidate, change, step, trace }: Match) => ({
  agent: candidate?.agent ?? null,
  change,
  step,
  reason: trace.reason,
})
