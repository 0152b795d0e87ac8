import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** A queued item as the dispatcher scans it. */
export interface ScanRow {
  readonly id: string
  readonly conversation: string
  readonly channel: string
  readonly channelKind: string
  readonly queue: string
  readonly extraQueues: readonly string[]
  readonly priority: string
  readonly units: number
  /** Demanded since it was planned; hard. */
  readonly skills?: Readonly<Record<string, number>>
  readonly preferred: readonly string[]
  /** Those of the preferred who may take it although they are full. */
  readonly overcommit: readonly string[]
  readonly excluded: Readonly<Record<string, string>>
  /** JSON text of the plan's steps: equal texts are parsed once. */
  readonly steps: string | null
  readonly planVersion: string
  readonly step: number
  readonly elapsedS: number
  readonly reason: string | null
  /** Items of one class ask for the same at the same step and wait for the same reason. A hash of 53 bits. */
  readonly class: number
  /** Somebody has had it before: it is not new. */
  readonly again?: boolean
  /** Place in the queue, in microseconds: a Date would cut them off and skip or repeat rows. */
  readonly rankUs: number
  readonly firstUs: number
}

const columns = sql.raw(`w.id, w.conversation_id as conversation, w.channel, w.channel_kind as "channelKind", w.queue,
  w.extra_queues as "extraQueues", w.priority, w.units, w.skills, w.preferred, w.overcommit, w.excluded, w.plan->>'steps' as steps,
  w.plan_version as "planVersion", w.step, w.waiting_reason as reason, w.class, w.was_taken as again,
  extract(epoch from clock_timestamp() - w.step_from)::float8 as "elapsedS",
  (extract(epoch from w.rank_at) * 1000000)::float8 as "rankUs",
  (extract(epoch from w.first_enqueued_at) * 1000000)::float8 as "firstUs"`)
const byPlace = sql.raw('w.rank_at, w.first_enqueued_at, w.id')

/** -1, 0 or 1: which of two items of a queue comes first. The same order as the index work_item_class. */
export function comparePlaces(a: ScanRow, b: ScanRow): number {
  return a.rankUs - b.rankUs || a.firstUs - b.firstUs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The first item of each class: as many descents of the index as there are classes, however many items wait. */
export async function readHeads(trx: Transaction<Tables>, queue: string): Promise<readonly ScanRow[]> {
  const { rows } = await sql<ScanRow>`
    with recursive heads as (
      (select class from work_item where state = 'queued' and queue = ${queue} order by class limit 1)
      union all
      select (select w.class from work_item w where w.state = 'queued' and w.queue = ${queue} and w.class > h.class
        order by w.class limit 1)
      from heads h where h.class is not null
    )
    select f.* from heads h cross join lateral (
      select ${columns} from work_item w where w.state = 'queued' and w.queue = ${queue} and w.class = h.class
      order by ${byPlace} limit 1) f`.execute(trx)
  return rows
}

/**
 * Items to be looked at one by one, in order of place: their next step has come by the database's clock, or they are kept
 * for a preferred agent, or have one who takes them even when full. Three small indexes, whatever waits besides.
 */
export async function readDue(trx: Transaction<Tables>, queue: string, limit: number): Promise<readonly ScanRow[]> {
  const { rows } = await sql<ScanRow>`
    with due as (
      (select id from work_item where state = 'queued' and queue = ${queue} and step_due_at <= clock_timestamp()
        order by step_due_at limit ${limit})
      union
      (select id from work_item where state = 'queued' and queue = ${queue} and hold_until is not null
        order by hold_until limit ${limit})
      union
      (select id from work_item where state = 'queued' and queue = ${queue} and overcommit <> '{}' and waiting_reason is null
        limit ${limit})
    )
    select ${columns} from due join work_item w using (id)`.execute(trx)
  return rows.toSorted(comparePlaces)
}

/** The next `each` items of each of these classes, behind a place, in order of place. */
export async function readClasses(
  trx: Transaction<Tables>,
  queue: string,
  classes: readonly number[],
  options: { readonly after: ScanRow | null; readonly each: number },
): Promise<readonly ScanRow[]> {
  const { rows } = await sql<ScanRow>`
    select f.* from unnest(${classes}::bigint[]) c cross join lateral (
      select ${columns} from work_item w
      where w.state = 'queued' and w.queue = ${queue} and w.class = c ${behind(options.after)}
      order by ${byPlace} limit ${options.each}) f`.execute(trx)
  return rows.toSorted(comparePlaces)
}

/** Microseconds back to a timestamp without rounding: whole seconds and the rest apart. */
function behind(after: ScanRow | null): RawBuilder<unknown> {
  if (after === null) return sql``
  const at = (us: number) =>
    sql`to_timestamp(${Math.floor(us / 1e6)}::float8) + ${Math.round(us % 1e6)}::int * interval '1 microsecond'`
  return sql`and (w.rank_at, w.first_enqueued_at, w.id) > (${at(after.rankUs)}, ${at(after.firstUs)}, ${after.id}::uuid)`
}
