import type { Generated, GeneratedAlways } from 'kysely'
import type { Json } from './json-column.js'

/** The log, its readers, and what commands answered. */

export interface OutboxTable {
  id: GeneratedAlways<number>
  type: string
  conversation_id: string | null
  contact_id: string | null
  agent_id: string | null
  watch: string | null
  actor_kind: string
  actor_id: string | null
  cause: string | null
  data: Json
  at: Generated<Date>
}

export interface EventLogTable {
  position: number
  type: string
  conversation_id: string | null
  contact_id: string | null
  agent_id: string | null
  watch: string | null
  actor_kind: string
  actor_id: string | null
  cause: string | null
  data: Json
  at: Date
}

export interface EventHeadTable {
  id: Generated<boolean>
  position: number
}

export interface CommandDedupeTable {
  agent_id: string
  command_id: string
  request_hash: Buffer
  result: Json
  at: Generated<Date>
}

export interface PluginStateTable {
  instance: string
  key: string
  value: Json
  expires_at: Date | null
}

export interface AnalyticsCursorTable {
  instance: string
  position: number
  updated_at: Generated<Date>
}

export interface PluginQuarantineTable {
  id: string
  instance: string
  operation: string
  node_host: string
  struck_at: Generated<Date>
  confirmed_at: Date | null
  released_at: Date | null
}
