import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { isThroughlineError } from '../../src/errors.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, enqueue, node, pending, queue, runOut, type TestNode } from './harness.js'

const AGENTS = ['a', 'b', 'c', 'd']
const KINDS = ['webchat', 'email', 'messaging', 'voice'] as const
const QUEUES = ['support', 'sales']

/** One thing somebody does. `pick` chooses the agent, the offer or the conversation it is done to. */
type Command = {
  readonly what: (typeof ACTS)[number]
  readonly node: number
  readonly pick: number
  readonly other: number
}
const ACTS = [
  'arrive',
  'accept',
  'decline',
  'runOut',
  'away',
  'online',
  'busy',
  'drop',
  'bye',
  'connect',
  'complete',
  'abandon',
  'release',
  'toQueue',
  'toAgent',
  'claim',
  'force',
  'join',
  'silence',
  'sweep',
] as const

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

const at = <T>(list: readonly T[], pick: number): T => list[pick % list.length]!

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
            await run(store, at(nodes, one.node), one, sessions).catch((error: unknown) => {
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

async function run(
  store: Store,
  on: TestNode,
  { what, pick, other }: Command,
  sessions: Map<string, string>,
): Promise<void> {
  const who = at(AGENTS, pick)
  const by = { actor: { kind: 'agent', id: who } as const, cause: randomUUID() }
  const one = async (sql: string): Promise<string | null> => {
    const { rows } = await store.pool.query<{ id: string }>(`select id from (${sql}) x order by id`)
    return rows.length === 0 ? null : at(rows, other).id
  }
  const live = (states: string) => one(`select conversation_id as id from work_item where state in (${states})`)
  switch (what) {
    case 'arrive':
      await enqueue(store, on, { kind: at(KINDS, pick), plan: { queue: at(QUEUES, other) } })
      return on.work.wake()
    case 'accept':
    case 'decline': {
      const open = await pending(store)
      if (open.length === 0) return
      const { id, agent_id } = at(open, other)
      if (what === 'accept') return void (await on.work.accept(id, agent_id, 'c'))
      return on.work.decline(id, agent_id, null, 'c')
    }
    case 'runOut':
      await runOut(store, `agent_id = '${who}'`)
      return on.sweep()
    case 'away':
    case 'online':
    case 'busy':
      return on.presence.set(who, { status: what }, by)
    case 'drop':
    case 'bye':
      return on.presence.disconnected(sessions.get(who) ?? '', what === 'bye')
    case 'connect': {
      const session = randomUUID()
      sessions.set(who, session)
      await on.presence.connected({ id: session, agent: who })
      return on.presence.set(who, { status: 'online' }, by)
    }
    case 'silence':
      await store.pool.query(
        `update presence_session set lease_until = clock_timestamp() - interval '1 s', last_beat_at = last_beat_at - interval '70 s'
         where agent_id = $1`,
        [who],
      )
      return on.sweep()
    case 'sweep':
      return on.sweep()
    case 'join': {
      const [from, into] = [await live(`'queued', 'offered', 'assigned'`), await live(`'offered', 'queued'`)]
      if (from === null || into === null || from === into) return
      await store.db.transaction().execute(async (trx) => {
        await trx
          .selectFrom('conversation')
          .select('id')
          .where('id', 'in', [from, into])
          .orderBy('id')
          .forNoKeyUpdate()
          .execute()
        await on.work.join(trx, from, into, by)
      })
      return on.work.wake()
    }
    case 'abandon': {
      const target = await live(`'queued', 'offered', 'assigned'`)
      if (target === null) return
      await store.db.transaction().execute(async (trx) => {
        await trx.selectFrom('conversation').select('id').where('id', '=', target).forNoKeyUpdate().execute()
        await on.work.end(trx, target, 'abandoned', by)
      })
      return on.work.wake()
    }
    default: {
      const target = await live(what === 'claim' || what === 'force' ? `'queued', 'offered'` : `'assigned', 'offered'`)
      if (target === null) return
      if (what === 'complete') return on.work.complete(target, null, by)
      if (what === 'release') return on.work.release(target, by)
      if (what === 'toQueue') return on.work.transfer(target, { queue: at(QUEUES, other) }, null, by)
      if (what === 'toAgent') return on.work.transfer(target, { agent: at(AGENTS, other) }, null, by)
      return on.work.claim(target, who, { ...by, force: what === 'force' })
    }
  }
}
