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

export interface WebhookEndpointTable {
  id: string
  url_digest: string
  position: number
  failures: Generated<number>
  failing_since: Date | null
  paused_until: Date | null
  disabled_at: Date | null
  disabled_reason: string | null
}

export interface WebhookDeliveryTable {
  endpoint: string
  position: number
  message_id: string
  event_type: string
  state: Generated<'pending' | 'delivered' | 'failed'>
  attempts: Generated<number>
  replays: Generated<number>
  next_at: Generated<Date>
  last_at: Date | null
  last_status: number | null
  last_error: string | null
  created_at: Generated<Date>
}
