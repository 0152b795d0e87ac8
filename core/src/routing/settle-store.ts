import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { SettledDecision } from './contract.js'
import type { ItemInput } from './work-store.js'

/** Gives a held item the plan it was held for. The item's lock is held. Its place counts from when it first came. */
export async function applyPlan(trx: Transaction<Tables>, item: ItemInput): Promise<boolean> {
  const { rows } = await sql`
    with changed as (
      update work_item set queue = ${item.queue}, state = ${item.state}, waiting_reason = ${item.reason},
        held_until = ${item.heldUntil}::timestamptz, priority = ${item.priority}, head_start_s = ${item.headStartS},
        rank_at = first_enqueued_at - make_interval(secs => ${item.headStartS}::int),
        channel_kind = ${item.channelKind}, units = ${item.units},
        extra_queues = array(select distinct unnest(extra_queues || ${item.extraQueues}::text[])),
        tell_wait = ${item.tellWait}, preferred = ${item.preferred}::text[], overcommit = ${item.overcommit}::text[], plan = ${JSON.stringify(item.plan)}::json,
        plan_version = ${item.planVersion}, step = 0, step_from = now(), queued_at = now(), epoch = epoch + 1
      where id = ${item.id} and state = 'held' and waiting_reason = 'routing'
      returning conversation_id
    ), placed as (
      update conversation c set queue = ${item.queue}, sla_policy = coalesce(${item.slaPolicy}, c.sla_policy),
        tags = array(select distinct unnest(c.tags || ${item.tags}::text[]) order by 1)
      from changed where c.id = changed.conversation_id
    )
    select 1 from changed`.execute(trx)
  return rows.length === 1
}

/** Appends the answer to the record, over the facts the question was asked with. */
export async function recordSettled(
  trx: Transaction<Tables>,
  id: string,
  item: string,
  decided: SettledDecision,
): Promise<void> {
  await sql`
    insert into routing_decision (id, conversation_id, work_item_id, trigger, source, rule, version, reason, facts, plan)
    select ${id}, w.conversation_id, w.id, 'settled', ${decided.source}, ${decided.rule}, ${decided.version},
      ${decided.decision.reason}, coalesce(${decided.facts === undefined ? null : JSON.stringify(decided.facts)}::json, d.facts, '{}'), ${JSON.stringify(decided.work?.plan ?? null)}::json
    from work_item w left join lateral (select facts from routing_decision d where d.work_item_id = w.id
      order by d.at limit 1) d on true
    where w.id = ${item}`.execute(trx)
}

/** Decisions of a conversation, oldest first: facts, rule, version, plan, and at offers the candidates. */
export async function decisionsOf(db: Kysely<Tables>, conversation: string): Promise<readonly unknown[]> {
  const { rows } = await sql`
    select id, at, work_item_id as "workItem", trigger, source, rule, version, reason, facts, plan, candidates
    from routing_decision where conversation_id = ${conversation} order by at, id`.execute(db)
  return rows
}
