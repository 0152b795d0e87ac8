import type { PlanStep } from '@throughline/plugin-sdk'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { unitsOf } from './units.js'

/**
 * The dispatcher of a queue is one at a time over all nodes. Tries the locks of those of the queues where something waits:
 * `busy` are the ones somebody else is at.
 */
export async function lockQueues(
  trx: Transaction<Tables>,
  queues: readonly string[],
): Promise<{ readonly locked: readonly string[]; readonly busy: readonly string[]; readonly now: Date }> {
  const { rows } = await sql<{ queue: string; locked: boolean; now: Date }>`
    select queue, pg_try_advisory_xact_lock(7402, hashtext(queue)) as locked, clock_timestamp() as now
    from unnest(${queues}::text[]) as q(queue)
    where exists (select 1 from work_item w where w.state = 'queued' and w.queue = q.queue)`.execute(trx)
  const named = (locked: boolean) => rows.flatMap((row) => (row.locked === locked ? [row.queue] : []))
  return { locked: named(true), busy: named(false), now: rows[0]?.now ?? new Date(0) }
}

/** Locks those that are still queued and nobody else has in hand. Answers id → epoch. */
export async function lockQueued(
  trx: Transaction<Tables>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ id: string; epoch: number }>`
    select id, epoch from work_item where id = any(${ids}::uuid[]) and state = 'queued'
    order by id for no key update skip locked`.execute(trx)
  return new Map(rows.map((row) => [row.id, row.epoch]))
}

export interface Change {
  readonly id: string
  readonly step: number
  readonly reason: string | null
  readonly addQueues: readonly string[]
  readonly headStartS: number
  /** Kept for a preferred agent so many seconds from now; absent: not, or not any more. */
  readonly holdS?: number
  /** The customer need not sit and wait any longer: from now on it is a message. */
  readonly asMessage?: boolean
}

/** Steps that were reached and reasons for waiting. The items' locks are held; their epochs stay. */
export async function writeChanges(trx: Transaction<Tables>, changes: readonly Change[]): Promise<void> {
  await sql`
    update work_item i set step = r.step, waiting_reason = r.reason,
      hold_until = clock_timestamp() + make_interval(secs => r."holdS"),
      channel_kind = case when r."asMessage" then 'messaging' else i.channel_kind end,
      units = case when r."asMessage" then ${unitsOf('messaging')} else i.units end,
      extra_queues = array(select distinct unnest(i.extra_queues || array(select jsonb_array_elements_text(r."addQueues")))),
      head_start_s = i.head_start_s + r."headStartS", rank_at = i.rank_at - make_interval(secs => r."headStartS")
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb)
      as r(id uuid, step smallint, reason text, "addQueues" jsonb, "headStartS" int, "holdS" float8,
        "asMessage" boolean)
    where i.id = r.id`.execute(trx)
}

export interface Trace {
  readonly id: string
  readonly conversation: string
  readonly item: string
  readonly version: string
  readonly reason: string
  readonly facts: unknown
  readonly candidates: unknown
}

/** Why this agent and not that one. Append-only. */
export async function insertTraces(trx: Transaction<Tables>, traces: readonly Trace[]): Promise<void> {
  await sql`
    insert into routing_decision (id, conversation_id, work_item_id, trigger, source, version, reason, facts, candidates)
    select id, conversation, item, 'offer', 'dispatcher', version, reason, facts, candidates
    from jsonb_to_recordset(${JSON.stringify(traces)}::jsonb) as r(id uuid, conversation uuid, item uuid, version text,
      reason text, facts json, candidates json)`.execute(trx)
}

/** Queues with something to do. */
export async function waitingQueues(db: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ queue: string }>`
    select distinct queue from work_item where state = 'queued'`.execute(db)
  return rows.map((row) => row.queue)
}

/** After its longest wait an item is open to the overflow queue as well; it keeps its place. Idempotent by the list. */
export async function addOverflow(
  db: Kysely<Tables>,
  queues: readonly { readonly queue: string; readonly overflow: string; readonly seconds: number }[],
): Promise<number> {
  if (queues.length === 0) return 0
  const { numAffectedRows } = await sql`
    update work_item set extra_queues = extra_queues || due.overflow, waiting_reason = null
    from (select w.id, r.overflow from work_item w
      join jsonb_to_recordset(${JSON.stringify(queues)}::jsonb) as r(queue text, overflow text, seconds int)
        on r.queue = w.queue
      where w.state = 'queued' and not r.overflow = any(w.extra_queues)
        and coalesce(w.opened_at, w.first_enqueued_at) < clock_timestamp() - make_interval(secs => r.seconds)
      order by w.id limit 1000 for no key update of w skip locked) due
    where work_item.id = due.id`.execute(db)
  return Number(numAffectedRows ?? 0)
}

/** Queues of the configuration, known to the database by name; those that left the file are retired, never deleted. */
export async function syncQueues(
  db: Kysely<Tables>,
  queues: readonly { readonly id: string; readonly name: string }[],
): Promise<void> {
  const rows = JSON.stringify(queues.map((queue) => ({ id: queue.id, name: queue.name, settings: queue })))
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into queue (id, name, settings)
      select id, name, settings from jsonb_to_recordset(${rows}::jsonb) as r(id text, name text, settings jsonb) order by id
      on conflict (id) do update set name = excluded.name, settings = excluded.settings, retired_at = null`.execute(trx)
    await sql`
      update queue set retired_at = now()
      where retired_at is null and id <> all(${queues.map((queue) => queue.id)}::text[])`.execute(trx)
  })
}

export function parseSteps(text: string | null): readonly PlanStep[] {
  return text === null ? [] : (JSON.parse(text) as readonly PlanStep[])
}
