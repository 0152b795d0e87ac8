import type { ColumnType, Generated } from 'kysely'
import type { Json } from './json-column.js'

/** Clocks, and what they know of their conversations. */

export interface SlaClockTable {
  id: string
  conversation_id: string
  touchpoint_id: string | null
  metric: string
  cycle: number
  policy: string
  policy_version: string
  target_s: number
  calendar: string
  calendar_version: string
  state: string
  used_s: number
  started_at: Date
  running_since: Date | null
  due_at: Date | null
  levels: string[]
  fired: string[]
  next_level: string | null
  next_at: Date | null
  warned_at: Date | null
  breached_at: Date | null
  ended_at: Date | null
  reason: string | null
  opened_by: string | null
  fulfilled_by: string | null
}

export interface SlaWaiverTable {
  clock_id: string
  conversation_id: string
  reason: string
  agent_id: string
  at: Generated<Date>
}

export interface SlaConversationTable {
  conversation_id: string
  status: string
  handled_by: string
  replied: boolean
  unanswered_since: Date | null
  touchpoint_id: string | null
  cycles: ColumnType<Record<string, number>, string, string>
}

export interface SlaCursorTable {
  id: Generated<boolean>
  position: number
}

export interface CalendarVersionTable {
  version: string
  name: string
  definition: Json
  since: Generated<Date>
}
