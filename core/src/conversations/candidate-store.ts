import { sql, type Transaction } from 'kysely'
import type { Choice } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'
import type { ConversationStatus } from './contract.js'

/** A conversation as a batch works with it; its row is locked. Mutable: several messages of a batch may change it. */
export interface ConversationRow {
  id: string
  contact: string
  status: ConversationStatus
  subject: string | null
  priority: string
  queue: string | null
  assignee: string | null
  tags: readonly string[]
  language: string | null
  lastMessageAt: Date | null
  lastInboundAt: Date | null
  waitingSince: Date | null
  snoozedUntil: Date | null
  resolvedAt: Date | null
  version: number
  createdAt: Date
  /** Somebody handles it already: a work item that has not ended. */
  hasWork: boolean
  touchpoints: readonly {
    id: string
    channel: string
    thread: string
    /** What the customer was asked to answer with a number, while that is not too long ago. */
    choices?: readonly Choice[] | null
  }[]
}

const columns = sql.raw(`
  c.id, c.contact_id as contact, c.status, c.subject, c.priority, c.queue, c.assignee, c.tags, c.language,
  c.last_message_at as "lastMessageAt", c.last_inbound_at as "lastInboundAt", c.waiting_since as "waitingSince",
  c.snoozed_until as "snoozedUntil", c.resolved_at as "resolvedAt", c.version, c.created_at as "createdAt",
  exists (select 1 from work_item w where w.conversation_id = c.id
    and w.state in ('held', 'queued', 'offered', 'assigned', 'wrapping')) as "hasWork",
  coalesce((select json_agg(json_build_object('id', t.id, 'channel', t.channel, 'thread', t.thread,
    'choices', case when t.choices_until > now() then t.choices end))
    from touchpoint t where t.conversation_id = c.id), '[]') as touchpoints`)

/**
 * The latest conversations of each contact, newest first, locked. The caller holds the contacts' locks, so no other drain
 * can open one for them meanwhile; agents' commands lock one conversation at a time and nothing before it.
 */
export async function lockCandidates(
  trx: Transaction<Tables>,
  contacts: readonly string[],
): Promise<ConversationRow[]> {
  const { rows } = await sql<ConversationRow>`
    select ${columns}
    from unnest(${contacts}::uuid[]) with ordinality as x(contact, n)
    cross join lateral (
      select * from conversation k
      where k.contact_id = x.contact and k.status <> 'joined'
        and (k.status <> 'resolved' or k.resolved_at > now() - interval '30 days')
      order by k.created_at desc limit 3 for no key update
    ) c
    order by x.n, c.created_at desc`.execute(trx)
  return rows
}

/**
 * The same for the contacts whom these identifiers will turn out to point at. The statement before this one, in the same
 * transaction, locks those contacts.
 */
export async function lockCandidatesOf(
  trx: Transaction<Tables>,
  keys: readonly { readonly kind: string; readonly value: string; readonly assurance: string }[],
): Promise<ConversationRow[]> {
  if (keys.length === 0) return []
  const { rows } = await sql<ConversationRow>`
    select ${columns}
    from unnest(${keys.map((k) => k.kind)}::text[], ${keys.map((k) => k.value)}::text[], ${keys.map((k) => k.assurance)}::text[])
      as x(kind, value, assurance)
    join identifier i on i.kind = x.kind and i.value = x.value and i.assurance = x.assurance and i.resolves
    cross join lateral (
      select * from conversation k
      where k.contact_id = i.contact_id and k.status <> 'joined'
        and (k.status <> 'resolved' or k.resolved_at > now() - interval '30 days')
      order by k.created_at desc limit 3 for no key update
    ) c
    order by c.contact_id, c.created_at desc`.execute(trx)
  return [...new Map(rows.map((row) => [row.id, row])).values()]
}

export async function lockConversations(trx: Transaction<Tables>, ids: readonly string[]): Promise<ConversationRow[]> {
  const { rows } = await sql<ConversationRow>`
    select ${columns} from (
      select * from conversation where id = any(${ids}::uuid[]) and status <> 'joined' order by id for no key update
    ) c`.execute(trx)
  return rows
}

/** Where messages with these network ids stand: what an answer or a quote points at. Joined conversations are followed. */
export async function findByExternalIds(
  trx: Transaction<Tables>,
  refs: readonly { channel: string; externalId: string }[],
): Promise<{ channel: string; externalId: string; conversation: string; contact: string }[]> {
  const { rows } = await sql<{ channel: string; externalId: string; conversation: string; contact: string }>`
    select r.channel, r.external_id as "externalId", coalesce(c.joined_into, c.id) as conversation, c.contact_id as contact
    from unnest(${refs.map((r) => r.channel)}::text[], ${refs.map((r) => r.externalId)}::text[]) as r(channel, external_id)
    cross join lateral (
      select conversation_id from message m where m.channel = r.channel and m.external_id = r.external_id
      union all
      select conversation_id from send s where s.channel = r.channel and s.external_id = r.external_id
      limit 1
    ) hit
    join conversation c on c.id = hit.conversation_id`.execute(trx)
  return rows
}

/** The latest conversation that runs through each thread: for group chats and for echoes of our own client. */
export async function findByThreads(
  trx: Transaction<Tables>,
  threads: readonly { channel: string; thread: string }[],
): Promise<{ channel: string; thread: string; conversation: string }[]> {
  const { rows } = await sql<{ channel: string; thread: string; conversation: string }>`
    select distinct on (t.channel, t.thread) t.channel, t.thread, t.conversation_id as conversation
    from unnest(${threads.map((t) => t.channel)}::text[], ${threads.map((t) => t.thread)}::text[]) as x(channel, thread)
    join touchpoint t on t.channel = x.channel and t.thread = x.thread
    join conversation c on c.id = t.conversation_id and c.status <> 'joined'
    order by t.channel, t.thread, t.created_at desc`.execute(trx)
  return rows
}

/** Network ids that are our own sends: an echo of them is no news. */
export async function ownSends(
  trx: Transaction<Tables>,
  refs: readonly { channel: string; externalId: string }[],
): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select s.channel || chr(10) || s.external_id as key
    from unnest(${refs.map((r) => r.channel)}::text[], ${refs.map((r) => r.externalId)}::text[]) as r(channel, external_id)
    join send s on s.channel = r.channel and s.external_id = r.external_id`.execute(trx)
  return new Set(rows.map((row) => row.key))
}
