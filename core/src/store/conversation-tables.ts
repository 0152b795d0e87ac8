import type { ColumnType, Generated } from 'kysely'
import type { Json } from './json-column.js'

/** Conversations and what was said in them. */

export interface ConversationTable {
  id: string
  contact_id: string
  status: Generated<string>
  subject: string | null
  priority: Generated<string>
  queue: string | null
  assignee: string | null
  tags: Generated<string[]>
  language: string | null
  sla_policy: string | null
  last_touchpoint: string | null
  last_message_at: Date | null
  last_inbound_at: Date | null
  waiting_since: Date | null
  snoozed_until: Date | null
  resolved_at: Date | null
  joined_into: string | null
  related_to: string | null
  version: Generated<number>
  created_at: Generated<Date>
}

export interface TouchpointTable {
  id: string
  conversation_id: string
  contact_id: string
  channel: string
  thread: string
  thread_kind: Generated<string>
  title: string | null
  last_inbound_at: Date | null
  choices: ColumnType<unknown, string | null | undefined, string | null>
  choices_until: ColumnType<Date | null, Date | null | undefined, Date | null>
  created_at: Generated<Date>
}

export interface MessageTable {
  id: string
  conversation_id: string
  touchpoint_id: string | null
  channel: string | null
  direction: string
  author_kind: string
  author_id: string | null
  text: string
  parts: Json
  subject: string | null
  external_id: string | null
  reply_to: string | null
  automatic: Generated<boolean>
  provider_at: Date
  at: Generated<Date>
  late: Generated<boolean>
  state: string | null
  losses: ColumnType<unknown, string | null, string | null>
  reactions: ColumnType<unknown, string | null, string | null>
  edited_at: Date | null
  deleted_at: Date | null
}

export interface AttachmentTable {
  id: string
  message_id: string
  part_index: number
  channel: string
  state: Generated<string>
  handle: Json
  file_key: string | null
  name: string | null
  mime: string | null
  size: number | null
  attempts: Generated<number>
  retry_at: Generated<Date>
  reason: string | null
  created_at: Generated<Date>
}

export interface FileTable {
  key: string
  size: number
  mime: string
  name: string | null
  created_at: Generated<Date>
}
