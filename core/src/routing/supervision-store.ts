import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Item } from './work-store.js'

type Trx = Transaction<Tables>

/** A head start, or with a negative number a step back. The item's lock is held. Answers the new place. */
export async function moveRank(trx: Trx, item: string, headStartS: number): Promise<Date | null> {
  const { rows } = await sql<{ rank: Date }>`
    update work_item set head_start_s = head_start_s + ${headStartS}::int,
      rank_at = rank_at - make_interval(secs => ${headStartS}::int)
    where id = ${item} returning rank_at as rank`.execute(trx)
  return rows[0]?.rank ?? null
}

/** Lock: the queue's row. null: there is no such queue. Answers where it was drained to before. */
export async function lockQueueRow(trx: Trx, queue: string): Promise<{ readonly drainedTo: string | null } | null> {
  const { rows } = await sql<{ drainedTo: string | null }>`
    select drained_to as "drainedTo" from queue where id = ${queue} and retired_at is null for update`.execute(trx)
  return rows[0] ?? null
}

export async function writeDrain(
  trx: Trx,
  queue: string,
  to: { readonly queue: string; readonly by: string | null; readonly reason: string | null } | null,
): Promise<void> {
  await sql`
    update queue set drained_to = ${to?.queue ?? null}, drained_by = ${to?.by ?? null},
      drained_reason = ${to?.reason ?? null} where id = ${queue}`.execute(trx)
}

export async function drainedQueues(
  db: Kysely<Tables>,
): Promise<readonly { readonly queue: string; readonly to: string }[]> {
  const { rows } = await sql<{ queue: string; to: string }>`
    select id as queue, drained_to as to from queue where drained_to is not null and retired_at is null
    order by id`.execute(db)
  return rows
}

/**
 * Waiting items of a queue go to another, at the places they have. Locks: conversations by id, then items by id; those in
 * use are left for the next sweep. Idempotent: an item leaves the queue once.
 */
export async function moveWaiting(
  trx: Trx,
  move: { readonly queue: string; readonly to: string; readonly limit: number },
  held: { readonly until: Date | null; readonly reason: string } | null,
): Promise<readonly (Item & { readonly version: number })[]> {
  const waits = sql`(state = 'queued' or (state = 'held' and waiting_reason = 'closed'))`
  const { rows: found } = await sql<{ id: string }>`
    select c.id from conversation c where c.id in (
      select conversation_id from work_item where queue = ${move.queue} and ${waits} order by rank_at limit ${move.limit})
    order by c.id for no key update of c skip locked`.execute(trx)
  if (found.length === 0) return []
  const { rows } = await sql<Item & { version: number }>`
    with taken as (
      select id from work_item where conversation_id = any(${found.map((row) => row.id)}::uuid[])
        and queue = ${move.queue} and ${waits} order by id for no key update skip locked
    ), moved as (
      update work_item w set queue = ${move.to}, epoch = w.epoch + 1, state = ${held === null ? 'queued' : 'held'},
        waiting_reason = ${held?.reason ?? null}, held_until = ${held?.until ?? null}::timestamptz,
        extra_queues = array_remove(w.extra_queues, ${move.to}::text)
      from taken where w.id = taken.id
      returning w.id, w.conversation_id, w.channel, w.channel_kind, w.queue, w.state, w.priority, w.units, w.assignee, w.epoch
    ), placed as (
      update conversation c set queue = ${move.to}, version = c.version + 1 from moved m where c.id = m.conversation_id
      returning c.id, c.version
    )
    select m.id, m.conversation_id as conversation, m.channel, m.channel_kind as "channelKind", m.queue, m.state,
      m.priority, m.units, m.assignee, m.epoch, p.version
    from moved m join placed p on p.id = m.conversation_id order by m.id`.execute(trx)
  return rows
}

export async function writeWatch(
  trx: Trx,
  watch: {
    readonly conversation: string
    readonly agent: string
    readonly mode: 'monitor' | 'barge'
    readonly on: boolean
  },
): Promise<boolean> {
  if (!watch.on) {
    const { rows } = await sql`
      update supervision set until = now() where conversation_id = ${watch.conversation} and agent_id = ${watch.agent}
        and until is null returning 1`.execute(trx)
    return rows.length === 1
  }
  const { rows } = await sql`
    insert into supervision (conversation_id, agent_id, mode) values (${watch.conversation}, ${watch.agent}, ${watch.mode})
    on conflict (conversation_id, agent_id) do update set mode = excluded.mode, since = now(), until = null
      where supervision.until is not null or supervision.mode <> excluded.mode
    returning 1`.execute(trx)
  return rows.length === 1
}

export async function watchersOf(
  db: Kysely<Tables>,
  conversation: string,
): Promise<readonly { readonly agent: string; readonly mode: string; readonly since: Date }[]> {
  const { rows } = await sql<{ agent: string; mode: string; since: Date }>`
    select agent_id as agent, mode, since from supervision where conversation_id = ${conversation} and until is null
    order by since, agent_id`.execute(db)
  return rows
}
