import type { ColumnType, Generated, GeneratedAlways } from 'kysely'
import type { Json } from './json-column.js'

/** What goes out. */

export interface SendTable {
  id: string
  message_id: string
  conversation_id: string
  touchpoint_id: string
  channel: string
  thread: string
  seq: GeneratedAlways<number>
  part: Json
  state: Generated<string>
  attempts: Generated<number>
  bugs: Generated<number>
  replanned: Generated<boolean>
  retry_at: Generated<Date>
  claim_token: string | null
  lease_until: Date | null
  node_id: ColumnType<string | null, string | null | undefined, string | null>
  external_id: string | null
  error_code: string | null
  error_message: string | null
  created_at: Generated<Date>
  settled_at: Date | null
}

export interface EarlyReceiptTable {
  channel: string
  target: string
  status: string
  at: Date
  error: ColumnType<unknown, string | null, string | null>
  received_at: Generated<Date>
}

export interface ChannelLimitTable {
  channel: string
  tokens: number
  refilled_at: Date
  paused_until: Date | null
  pause_reason: string | null
}
