import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Set-based writes of one batch. Every caller holds the locks of the conversations it writes to. */

export interface NewConversation {
  readonly id: string
  readonly contact: string
  readonly status: string
  readonly subject: string | null
  readonly language: string | null
  readonly tags: readonly string[]
  readonly relatedTo: string | null
}

export async function insertConversations(trx: Transaction<Tables>, rows: readonly NewConversation[]): Promise<void> {
  await sql`
    insert into conversation (id, contact_id, status, subject, language, tags, related_to, resolved_at)
    select id, contact_id, status, subject, language,
      coalesce((select array_agg(value) from json_array_elements_text(tags)), '{}'), related_to,
      case when status = 'resolved' then now() end
    from unnest(${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.contact)}::uuid[], ${rows.map((r) => r.status)}::text[],
      ${rows.map((r) => r.subject)}::text[], ${rows.map((r) => r.language)}::text[],
      ${rows.map((r) => JSON.stringify(r.tags))}::json[], ${rows.map((r) => r.relatedTo)}::uuid[])
      as n(id, contact_id, status, subject, language, tags, related_to)`.execute(trx)
}

export interface NewTouchpoint {
  readonly id: string
  readonly conversation: string
  readonly contact: string
  readonly channel: string
  readonly thread: string
  readonly kind: string
  readonly title: string | null
}

export async function insertTouchpoints(trx: Transaction<Tables>, rows: readonly NewTouchpoint[]): Promise<void> {
  await sql`
    insert into touchpoint (id, conversation_id, contact_id, channel, thread, thread_kind, title)
    select * from unnest(${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.conversation)}::uuid[],
      ${rows.map((r) => r.contact)}::uuid[], ${rows.map((r) => r.channel)}::text[], ${rows.map((r) => r.thread)}::text[],
      ${rows.map((r) => r.kind)}::text[], ${rows.map((r) => r.title)}::text[])`.execute(trx)
}

export interface NewMessage {
  readonly id: string
  readonly conversation: string
  readonly touchpoint: string
  readonly channel: string
  readonly direction: 'in' | 'out'
  readonly authorKind: 'customer' | 'agent' | 'bot' | 'system'
  readonly authorId: string | null
  readonly text: string
  readonly parts: string
  readonly subject: string | null
  readonly externalId: string
  readonly replyTo: string | null
  readonly automatic: boolean
  readonly providerAt: Date
  readonly at: Date
  readonly late: boolean
  readonly state: string | null
}

export interface ConversationChange {
  readonly id: string
  readonly status: string
  readonly subject: string | null
  readonly priority: string
  readonly queue: string | null
  readonly tags: readonly string[]
  readonly lastTouchpoint: string | null
  readonly lastMessageAt: Date | null
  readonly lastInboundAt: Date | null
  readonly waitingSince: Date | null
  readonly snoozedUntil: Date | null
  readonly resolvedAt: Date | null
  readonly version: number
}

/**
 * Messages, the conversations they change and the reply windows they open, in one statement: three tables, one round trip.
 * Uniqueness: (channel, external_id) of a message. Answers the ids stored; one that is missing was in the timeline already.
 */
export async function writeTimeline(
  trx: Transaction<Tables>,
  rows: {
    readonly messages: readonly NewMessage[]
    readonly conversations: readonly ConversationChange[]
    readonly touchpoints: readonly { readonly id: string; readonly at: Date }[]
  },
): Promise<Set<string>> {
  const { messages: m, conversations: c, touchpoints: t } = rows
  if (m.length + c.length + t.length === 0) return new Set()
  const { rows: stored } = await sql<{ id: string }>`
    with changed as (
      update conversation c set status = n.status, subject = n.subject, priority = n.priority, queue = n.queue,
        tags = coalesce((select array_agg(value) from json_array_elements_text(n.tags)), '{}'),
        last_touchpoint = coalesce(n.last_touchpoint, c.last_touchpoint), last_message_at = n.last_message_at,
        last_inbound_at = n.last_inbound_at, waiting_since = n.waiting_since, snoozed_until = n.snoozed_until,
        resolved_at = n.resolved_at, version = n.version
      from unnest(${c.map((r) => r.id)}::uuid[], ${c.map((r) => r.status)}::text[], ${c.map((r) => r.subject)}::text[],
        ${c.map((r) => r.priority)}::text[], ${c.map((r) => r.queue)}::text[], ${c.map((r) => JSON.stringify(r.tags))}::json[],
        ${c.map((r) => r.lastTouchpoint)}::uuid[], ${c.map((r) => r.lastMessageAt)}::timestamptz[],
        ${c.map((r) => r.lastInboundAt)}::timestamptz[], ${c.map((r) => r.waitingSince)}::timestamptz[],
        ${c.map((r) => r.snoozedUntil)}::timestamptz[], ${c.map((r) => r.resolvedAt)}::timestamptz[],
        ${c.map((r) => r.version)}::int[])
        as n(id, status, subject, priority, queue, tags, last_touchpoint, last_message_at, last_inbound_at, waiting_since,
          snoozed_until, resolved_at, version)
      where c.id = n.id
    ), touched as (
      update touchpoint t set last_inbound_at = greatest(t.last_inbound_at, n.at)
      from unnest(${t.map((r) => r.id)}::uuid[], ${t.map((r) => r.at)}::timestamptz[]) as n(id, at)
      where t.id = n.id
    )
    insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, author_id, text, parts, subject,
      external_id, reply_to, automatic, provider_at, at, late, state)
    select * from unnest(${m.map((r) => r.id)}::uuid[], ${m.map((r) => r.conversation)}::uuid[],
      ${m.map((r) => r.touchpoint)}::uuid[], ${m.map((r) => r.channel)}::text[], ${m.map((r) => r.direction)}::text[],
      ${m.map((r) => r.authorKind)}::text[], ${m.map((r) => r.authorId)}::text[], ${m.map((r) => r.text)}::text[],
      ${m.map((r) => r.parts)}::json[], ${m.map((r) => r.subject)}::text[], ${m.map((r) => r.externalId)}::text[],
      ${m.map((r) => r.replyTo)}::text[], ${m.map((r) => r.automatic)}::boolean[],
      ${m.map((r) => r.providerAt)}::timestamptz[], ${m.map((r) => r.at)}::timestamptz[],
      ${m.map((r) => r.late)}::boolean[], ${m.map((r) => r.state)}::text[])
    on conflict (channel, external_id) where external_id is not null do nothing
    returning id`.execute(trx)
  return new Set(stored.map((row) => row.id))
}

export interface NewAttachment {
  readonly id: string
  readonly message: string
  readonly partIndex: number
  readonly channel: string
  readonly state: 'pending' | 'stored'
  readonly handle: string
  readonly fileKey: string | null
  readonly name: string | null
  readonly mime: string | null
  readonly size: number | null
}

export async function insertAttachments(trx: Transaction<Tables>, rows: readonly NewAttachment[]): Promise<void> {
  await sql`
    insert into attachment (id, message_id, part_index, channel, state, handle, file_key, name, mime, size)
    select * from unnest(${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.message)}::uuid[],
      ${rows.map((r) => r.partIndex)}::smallint[], ${rows.map((r) => r.channel)}::text[], ${rows.map((r) => r.state)}::text[],
      ${rows.map((r) => r.handle)}::json[], ${rows.map((r) => r.fileKey)}::text[], ${rows.map((r) => r.name)}::text[],
      ${rows.map((r) => r.mime)}::text[], ${rows.map((r) => r.size)}::bigint[])`.execute(trx)
}

/** Edits, deletions and reactions of messages that are in the timeline. Answers the message touched and where it stands. */
export async function applyMessageChange(
  trx: Transaction<Tables>,
  change: {
    channel: string
    target: string
    kind: 'edit' | 'delete' | 'reaction'
    text: string | null
    emoji: string | null
    by: string | null
  },
): Promise<{ message: string; conversation: string; contact: string; thread: string | null } | null> {
  const { rows } = await sql<{ message: string; conversation: string; contact: string; thread: string | null }>`
    with target as (
      select m.id from message m where m.channel = ${change.channel} and m.external_id = ${change.target}
      union all
      select s.message_id from send s where s.channel = ${change.channel} and s.external_id = ${change.target}
      limit 1
    )
    update message m set
      text = case when ${change.kind} = 'edit' then coalesce(${change.text}, m.text) else m.text end,
      parts = case when ${change.kind} = 'edit' and ${change.text}::text is not null
        then json_build_array(json_build_object('type', 'text', 'text', ${change.text}::text)) else m.parts end,
      edited_at = case when ${change.kind} = 'edit' then now() else m.edited_at end,
      deleted_at = case when ${change.kind} = 'delete' then now() else m.deleted_at end,
      reactions = case when ${change.kind} = 'reaction' then (
        select coalesce(json_agg(r), '[]') from (
          select e as r from json_array_elements(coalesce(m.reactions, '[]')) e where e ->> 'by' is distinct from ${change.by}
          union all
          select json_build_object('by', ${change.by}::text, 'emoji', ${change.emoji}::text) where ${change.emoji}::text is not null
        ) x) else m.reactions end
    from target, conversation c
    where m.id = target.id and c.id = m.conversation_id
    returning m.id as message, m.conversation_id as conversation, c.contact_id as contact,
      (select t.thread from touchpoint t where t.id = m.touchpoint_id) as thread`.execute(trx)
  return rows[0] ?? null
}
