import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Why a conversation went where it went: facts, rule, version and plan, kept for `rules explain` and for replays. */
export interface NewDecision {
  readonly id: string
  readonly conversation: string
  readonly workItem: string | null
  readonly trigger: string
  readonly source: string
  readonly rule: string | null
  readonly version: string
  readonly reason: string
  readonly facts: string
  readonly plan: string | null
}

/** Append-only; the conversations' locks are held. */
export async function insertDecisions(trx: Transaction<Tables>, rows: readonly NewDecision[]): Promise<void> {
  await sql`
    insert into routing_decision (id, conversation_id, work_item_id, trigger, source, rule, version, reason, facts, plan)
    select * from unnest(${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.conversation)}::uuid[],
      ${rows.map((r) => r.workItem)}::uuid[], ${rows.map((r) => r.trigger)}::text[], ${rows.map((r) => r.source)}::text[],
      ${rows.map((r) => r.rule)}::text[], ${rows.map((r) => r.version)}::text[], ${rows.map((r) => r.reason)}::text[],
      ${rows.map((r) => r.facts)}::json[], ${rows.map((r) => r.plan)}::json[])`.execute(trx)
}
