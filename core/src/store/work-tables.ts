import type { ColumnType, Generated } from 'kysely'
import type { Json } from './json-column.js'

/** Who does what: queues, work, offers, decisions. */

export interface QueueTable {
  id: string
  name: string
  settings: Json
  retired_at: Date | null
  drained_to: string | null
  drained_by: string | null
  drained_reason: string | null
}

export interface ClosedAnswerTable {
  conversation_id: string
  opens_at: Date
  message_id: string | null
  outcome: string
  at: Generated<Date>
}

export interface WorkItemTable {
  id: string
  conversation_id: string
  channel: string
  channel_kind: string
  queue: string
  extra_queues: Generated<string[]>
  state: string
  waiting_reason: string | null
  priority: string
  rank_at: Date
  head_start_s: Generated<number>
  first_enqueued_at: Generated<Date>
  queued_at: Generated<Date>
  held_until: Date | null
  units: number
  skills: ColumnType<unknown, string | undefined, string>
  languages: ColumnType<unknown, string | undefined, string>
  teams: Generated<string[]>
  preferred: Generated<string[]>
  hold_until: Date | null
  overcommit: Generated<string[]>
  excluded: ColumnType<unknown, string | undefined, string>
  plan: Json
  plan_version: string
  step: Generated<number>
  step_from: Generated<Date>
  assignee: string | null
  epoch: Generated<number>
  created_at: Generated<Date>
  ended_at: Date | null
  opened_at: Date | null
  tell_wait: Generated<boolean>
  wrap_until: Date | null
  wrap_disposition: string | null
  wrap_inbound_at: Date | null
  class: ColumnType<number, never, never>
  step_due_at: ColumnType<Date | null, never, never>
  /** The earliest promise of a reply; part of the rank. */
  sla_due_at: Date | null
  /** Somebody has had it: it is not new any more. */
  was_taken: Generated<boolean>
}

export interface OfferTable {
  id: string
  item_id: string
  conversation_id: string
  agent_id: string
  state: string
  epoch: number
  units: number
  channel_kind: string
  broadcast: Generated<boolean>
  forced: Generated<boolean>
  reason: string | null
  presented_at: Date | null
  created_at: Generated<Date>
  expires_at: Date
  decided_at: Date | null
  accepted_at: Date | null
  full_units: number | null
  reactivated_at: Date | null
  /** The queue whose fair share it counts for. */
  new_in: string | null
}

export interface RoutingDecisionTable {
  id: string
  conversation_id: string
  work_item_id: string | null
  at: Generated<Date>
  trigger: string
  source: string
  rule: string | null
  version: string
  reason: string
  facts: Json
  plan: ColumnType<unknown, string | null, string | null>
  candidates: ColumnType<unknown, string | null, string | null>
}
