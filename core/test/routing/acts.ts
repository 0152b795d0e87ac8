import { randomUUID } from 'node:crypto'
import type { Store } from '../../src/store/store.js'
import { enqueue, pending, runOut, type TestNode } from './harness.js'

/** What people and networks do to routing, by name, for tests that do it in any order and from several nodes. */
export const AGENTS = ['a', 'b', 'c', 'd']
export const KINDS = ['webchat', 'email', 'messaging', 'voice'] as const
export const QUEUES = ['support', 'sales']
/** Without steps, and with steps that are soon due. */
const PLANS = [{}, { steps: [{ seconds: 1 }, { addHeadStartS: 60 }] }, { priority: 'urgent' }] as const

/** One thing somebody does. `pick` chooses the agent, the offer or the conversation it is done to. */
export type Command = {
  readonly what: (typeof ACTS)[number]
  readonly node: number
  readonly pick: number
  readonly other: number
}
export const ACTS = [
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

export const at = <T>(list: readonly T[], pick: number): T => list[pick % list.length]!

/** Refusals are errors of ours; everything else is a fault. */
export async function act(
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
      await enqueue(store, on, {
        kind: at(KINDS, pick),
        plan: { queue: at(QUEUES, other), ...at(PLANS, pick + other) },
      })
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
      if (!sessions.has(who)) return
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
        await on.writer?.append(trx, await on.work.join(trx, from, into, by))
      })
      return on.work.wake()
    }
    case 'abandon': {
      const target = await live(`'queued', 'offered', 'assigned'`)
      if (target === null) return
      await store.db.transaction().execute(async (trx) => {
        await trx.selectFrom('conversation').select('id').where('id', '=', target).forNoKeyUpdate().execute()
        await on.writer?.append(trx, await on.work.end(trx, target, 'abandoned', by))
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
