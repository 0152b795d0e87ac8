import fc from 'fast-check'
import { test } from 'tap'
import { isThroughlineError } from '../../src/errors.js'
import { withDatabase } from '../support/database.js'
import { ACTS, act, AGENTS, at, QUEUES, type Command } from './acts.js'
import { agent, broken, node, queue } from './harness.js'

const command: fc.Arbitrary<Command> = fc.record({
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant('arrive' as const) },
    { weight: 5, arbitrary: fc.constant('accept' as const) },
    { weight: 5, arbitrary: fc.constantFrom('connect' as const, 'decline' as const, 'runOut' as const) },
    { weight: 8, arbitrary: fc.constantFrom(...ACTS) },
  ),
  node: fc.nat(2),
  pick: fc.nat(1000),
  other: fc.nat(1000),
})

test('I1 to I4 hold after whatever three nodes do at the same time', { timeout: 170_000 }, async (t) => {
  const store = await withDatabase(t, { poolSize: 12 })
  const queues = QUEUES.map((id) => queue(id))
  const nodes = [0, 1, 2].map(() => node(store, { queues }))
  t.teardown(() => Promise.all(nodes.map((one) => one.stop())).then(() => undefined))
  const sessions = new Map<string, string>()
  for (const [i, id] of AGENTS.entries())
    sessions.set(id, await agent(store, nodes[i % 3]!, id, { perChannel: { voice: 1 } }))
  const refused = new Map<string, number>()

  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 60 }), async (commands) => {
      const lanes = [0, 1, 2].map((lane) => commands.filter((_, i) => i % 3 === lane))
      await Promise.all(
        lanes.map(async (lane) => {
          for (const one of lane) {
            await act(store, at(nodes, one.node), one, sessions).catch((error: unknown) => {
              if (!isThroughlineError(error)) throw error
              refused.set(error.code, (refused.get(error.code) ?? 0) + 1)
            })
          }
        }),
      )
      await Promise.all(nodes.map((one) => one.settled()))
      const wrong = await broken(store)
      if (wrong.length > 0) throw new Error(wrong.join('; '))
    }),
    { numRuns: 60 },
  )
  t.comment(refused)
  const { rows } = await store.pool.query(`select state, count(*)::int as n from offer group by 1 order by 1`)
  t.comment(rows)
  const seen = new Set(rows.map((row) => row.state))
  for (const state of ['accepted', 'completed', 'declined', 'expired', 'rescinded', 'transferred', 'released'])
    t.ok(seen.has(state), `${state} was seen`)
  t.strictSame(await broken(store), [])
  t.strictSame(
    nodes.flatMap((one) => one.warnings),
    [],
    'no dispatcher failed',
  )
})
