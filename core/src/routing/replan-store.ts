import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Item } from './work-store.js'

/** An item that waits, with the facts its plan was made from. */
export interface WaitingItem {
  readonly id: string
  readonly conversation: string
  readonly queue: string
  readonly epoch: number
  readonly plan: Readonly<Record<string, unknown>>
  readonly planVersion: string
  readonly source: string
  readonly rule: string | null
  readonly facts: Readonly<Record<string, unknown>>
}

/** A new plan for an item that has not moved since it was read. */
export interface Replanned {
  readonly id: string
  readonly conversation: string
  readonly epoch: number
  readonly queue: string
  readonly priority: string
  /** Seconds that its place moves forward. */
  readonly forwardS: number
  readonly preferred: readonly string[]
  readonly plan: unknown
  readonly planVersion: string
  readonly slaPolicy: string | null
  readonly tags: readonly string[]
  /** For the record of the decision. */
  readonly decision: string
  readonly source: string
  readonly rule: string | null
  readonly reason: string
}

/** Items that wait and were planned by another version; by id, from `after` on. */
export async function waitingItems(
  db: Kysely<Tables>,
  ask: { readonly version: string; readonly queue: string | null; readonly after: string; readonly limit: number },
): Promise<readonly WaitingItem[]> {
  const { rows } = await sql<WaitingItem>`
    select w.id, w.conversation_id as conversation, w.queue, w.epoch, w.plan, w.plan_version as "planVersion",
      d.source, d.rule, d.facts
    from work_item w join lateral (
      select source, rule, facts from routing_decision where work_item_id = w.id and trigger <> 'offer'
      order by at desc, id desc limit 1) d on true
    where w.state = 'queued' and w.plan_version <> ${ask.version} and w.id > ${ask.after}::uuid
      and (${ask.queue}::text is null or w.queue = ${ask.queue})
    order by w.id limit ${ask.limit}`.execute(db)
  return rows
}

/**
 * Locks: conversations by id, then items by id. An item that was offered, or otherwise moved, since it was read has another
 * epoch and keeps its plan, so a repeated call does nothing. Age and earlier boosts of its place stay.
 */
export async function applyReplanned(trx: Transaction<Tables>, items: readonly Replanned[]): Promise<readonly Item[]> {
  const ids = items.map((item) => item.conversation)
  await sql`select id from conversation where id = any(${ids}::uuid[]) order by id for no key update`.execute(trx)
  await sql`
    select id from work_item where id = any(${items.map((item) => item.id)}::uuid[]) order by id
    for no key update`.execute(trx)
  const { rows } = await sql<Item>`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as r(
        id uuid, epoch int, queue text, priority text, "forwardS" int, preferred jsonb, plan json, "planVersion" text,
        "slaPolicy" text, tags jsonb, decision uuid, source text, rule text, reason text)
    ), changed as (
      update work_item w set queue = g.queue, priority = g.priority, head_start_s = w.head_start_s + g."forwardS",
        rank_at = w.rank_at - make_interval(secs => g."forwardS"), plan = g.plan, plan_version = g."planVersion",
        preferred = array(select jsonb_array_elements_text(g.preferred)), extra_queues = '{}', waiting_reason = null,
        step = 0, step_from = now(), epoch = w.epoch + 1
      from given g where w.id = g.id and w.state = 'queued' and w.epoch = g.epoch
      returning w.id, w.conversation_id as conversation, w.channel, w.channel_kind as "channelKind", w.queue, w.state,
        w.priority, w.units, w.assignee, w.epoch
    ), placed as (
      update conversation c set queue = w.queue, sla_policy = coalesce(g."slaPolicy", c.sla_policy),
        tags = array(select distinct unnest(c.tags || array(select jsonb_array_elements_text(g.tags))) order by 1),
        version = c.version + 1
      from changed w join given g using (id) where c.id = w.conversation
    ), recorded as (
      insert into routing_decision (id, conversation_id, work_item_id, trigger, source, rule, version, reason, facts, plan)
      select g.decision, w.conversation, w.id, 'replanned', g.source, g.rule, g."planVersion", g.reason,
        coalesce(d.facts, '{}'), g.plan
      from changed w join given g using (id) left join lateral (
        select facts from routing_decision where work_item_id = w.id and trigger <> 'offer'
        order by at desc, id desc limit 1) d on true
    )
    select * from changed`.execute(trx)
  return rows
}
