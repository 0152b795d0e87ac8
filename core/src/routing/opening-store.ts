import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Item } from './work-store.js'

/** Hours are judged by the database's clock. */
export async function databaseNow(db: Kysely<Tables> | Transaction<Tables>): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
  return rows[0]?.now ?? new Date(0)
}

/** A queue that can be closed, at this moment. */
export interface QueueAtMoment {
  readonly queue: string
  readonly closed: boolean
  readonly until: string | null
  readonly extraQueues: readonly string[]
}

/**
 * Held items whose time has come. Whatever they were held for, in a queue that is closed now they wait for its opening;
 * elsewhere they are queued, at the rank they had from the start, and their steps begin now. Items in use are left for the
 * next sweep. Lock: items by id. Idempotent by state: an item leaves `held` once.
 */
export async function openDueItems(
  trx: Transaction<Tables>,
  queues: readonly QueueAtMoment[],
  limit: number,
): Promise<readonly (Item & { readonly until: Date | null; readonly waited: string | null })[]> {
  const { rows } = await sql<Item & { until: Date | null; waited: string | null }>`
    with hours as (
      select * from jsonb_to_recordset(${JSON.stringify(queues)}::jsonb)
        as r(queue text, closed boolean, until timestamptz, "extraQueues" jsonb)
    ), due as (
      select w.id, w.waiting_reason, coalesce(h.closed, false) as closed, h.until,
        coalesce(array(select jsonb_array_elements_text(h."extraQueues")), '{}') as extra
      from work_item w left join hours h on h.queue = w.queue
      where w.state = 'held' and case when w.waiting_reason = 'closed'
        then not coalesce(h.closed, false) or w.held_until is distinct from h.until
        else w.held_until <= clock_timestamp() end
      order by w.id limit ${limit} for no key update of w skip locked
    )
    update work_item w set
      state = case when due.closed then 'held' else 'queued' end,
      waiting_reason = case when due.closed then 'closed' end,
      held_until = case when due.closed then due.until end,
      queued_at = case when due.closed then w.queued_at else now() end,
      opened_at = case when due.closed or w.waiting_reason = 'routing' then w.opened_at else now() end,
      step_from = case when due.closed then w.step_from else now() end,
      extra_queues = array(select distinct unnest(w.extra_queues || due.extra)),
      epoch = w.epoch + 1
    from due where w.id = due.id
    returning w.id, w.conversation_id as conversation, w.channel, w.channel_kind as "channelKind", w.queue, w.state,
      w.priority, w.units, w.assignee, w.epoch, w.held_until as until, due.waiting_reason as waited`.execute(trx)
  return rows
}

/** A conversation whose item waits for an opening and whose customer has not been told. */
export interface Untold {
  readonly conversation: string
  readonly queue: string
  /** null: it does not open any more. */
  readonly opensAt: Date | null
  readonly name: string | null
  readonly language: string | null
  readonly timeZone: string | null
}

export async function untold(db: Kysely<Tables>, limit: number): Promise<readonly Untold[]> {
  const { rows } = await sql<Untold>`
    select w.conversation_id as conversation, w.queue, w.held_until as "opensAt", k.name,
      coalesce(c.language, k.language) as language, k.time_zone as "timeZone"
    from work_item w join conversation c on c.id = w.conversation_id left join contact k on k.id = c.contact_id
    where w.state = 'held' and w.waiting_reason = 'closed' and not exists (select 1 from closed_answer a
      where a.conversation_id = w.conversation_id and a.opens_at = coalesce(w.held_until, 'infinity'))
    order by w.id limit ${limit}`.execute(db)
  return rows
}

/** Once a conversation and closed period: the key. False: somebody else has it. */
export async function claimAnswer(trx: Transaction<Tables>, to: Untold, outcome: string): Promise<boolean> {
  const { rows } = await sql`
    insert into closed_answer (conversation_id, opens_at, outcome)
    values (${to.conversation}, coalesce(${to.opensAt}::timestamptz, 'infinity'), ${outcome})
    on conflict (conversation_id, opens_at) do nothing returning 1`.execute(trx)
  return rows.length === 1
}

export async function recordAnswer(trx: Transaction<Tables>, to: Untold, message: string): Promise<void> {
  await sql`
    update closed_answer set message_id = ${message}
    where conversation_id = ${to.conversation} and opens_at = coalesce(${to.opensAt}::timestamptz, 'infinity')`.execute(
    trx,
  )
}
