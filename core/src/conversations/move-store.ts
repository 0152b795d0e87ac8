import { sql, type Transaction } from 'kysely'
import { retellConversations } from '../store/conversation-summary.js'
import type { Tables } from '../store/tables.js'

/**
 * The contacts of two conversations, locked in id order before the conversations are: the order of every writer that takes
 * several conversations at once (drains, joins of contacts).
 */
export async function lockContactsOf(trx: Transaction<Tables>, conversations: readonly string[]): Promise<void> {
  await sql`
    select id from contact
    where id in (select contact_id from conversation where id = any(${conversations}::uuid[]))
    order by id for no key update`.execute(trx)
}

/** Both rows are locked by the caller. Touchpoints that both have become one; messages, sends and attachments follow. */
export async function moveConversation(trx: Transaction<Tables>, from: string, into: string): Promise<void> {
  // Messages are found by their conversation: touchpoints have no index of their own on them.
  await sql`
    with pairs as materialized (
      select f.id as old, k.id as new, f.last_inbound_at from touchpoint f
      join touchpoint k on k.channel = f.channel and k.thread = f.thread and k.conversation_id = ${into}::uuid
      where f.conversation_id = ${from}::uuid
    ), said as (
      update message m set conversation_id = ${into}::uuid,
        touchpoint_id = coalesce((select p.new from pairs p where p.old = m.touchpoint_id), m.touchpoint_id)
      where m.conversation_id = ${from}::uuid returning m.id
    ), sent as (
      update send s set conversation_id = ${into}::uuid,
        touchpoint_id = coalesce((select p.new from pairs p where p.old = s.touchpoint_id), s.touchpoint_id)
      from said where s.message_id = said.id
    ), widened as (
      update touchpoint k set last_inbound_at = greatest(k.last_inbound_at, p.last_inbound_at) from pairs p where k.id = p.new
    )
    update conversation c set last_touchpoint = p.new from pairs p
    where c.id = ${from}::uuid and c.last_touchpoint = p.old`.execute(trx)
  await sql`
    delete from touchpoint f using touchpoint k
    where f.conversation_id = ${from}::uuid and k.conversation_id = ${into}::uuid and k.channel = f.channel
      and k.thread = f.thread`.execute(trx)
  await sql`update touchpoint set conversation_id = ${into}::uuid where conversation_id = ${from}::uuid`.execute(trx)
  await sql`
    update conversation k set version = k.version + 1,
      last_touchpoint = case when k.last_inbound_at is null or f.last_inbound_at > k.last_inbound_at
        then coalesce(f.last_touchpoint, k.last_touchpoint) else coalesce(k.last_touchpoint, f.last_touchpoint) end,
      last_message_at = greatest(k.last_message_at, f.last_message_at),
      last_inbound_at = greatest(k.last_inbound_at, f.last_inbound_at),
      waiting_since = least(k.waiting_since, f.waiting_since),
      subject = coalesce(k.subject, f.subject), language = coalesce(k.language, f.language),
      tags = (select coalesce(array_agg(distinct tag), '{}') from unnest(k.tags || f.tags) tag),
      status = x.status,
      snoozed_until = case when x.status = 'snoozed' then coalesce(k.snoozed_until, f.snoozed_until) end,
      resolved_at = case when x.status = 'resolved' then k.resolved_at end,
      related_to = nullif(k.related_to, f.id)
    from conversation f cross join lateral (
      -- What is open in one of them is open; what is settled in one of them goes on as the other.
      select case when 'open' in (m.status, f.status) then 'open' when m.status = 'resolved' then f.status else m.status end as status
      from conversation m where m.id = ${into}::uuid
    ) x
    where k.id = ${into}::uuid and f.id = ${from}::uuid`.execute(trx)
  await sql`
    update conversation set status = 'joined', joined_into = ${into}::uuid, waiting_since = null, snoozed_until = null,
      assignee = null, version = version + 1
    where id = ${from}::uuid`.execute(trx)
  // What had been joined into the one that goes now leads to the one that stays: a chain has one link.
  await sql`update conversation set joined_into = ${into}::uuid
    where joined_into = ${from}::uuid and contact_id = (select contact_id from conversation where id = ${into}::uuid)`.execute(
    trx,
  )
}

/** How many of some messages a conversation holds; `moving` and `all` count without notes. */
export interface Movable {
  readonly found: number
  readonly moving: number
  readonly all: number
  /** What the moving ones came over. */
  readonly touchpoints: readonly string[]
}

export async function readMovable(
  trx: Transaction<Tables>,
  conversation: string,
  messages: readonly string[],
): Promise<Movable> {
  const { rows } = await sql<Omit<Movable, 'touchpoints'> & { touchpoints: string[] | null }>`
    select count(*) filter (where id = any(${messages}::uuid[]))::int as found,
      count(*) filter (where id = any(${messages}::uuid[]) and direction <> 'note')::int as moving,
      count(*) filter (where direction <> 'note')::int as all,
      array_agg(distinct touchpoint_id)
        filter (where id = any(${messages}::uuid[]) and touchpoint_id is not null) as touchpoints
    from message where conversation_id = ${conversation}::uuid`.execute(trx)
  const row = rows[0]
  return { found: row?.found ?? 0, moving: row?.moving ?? 0, all: row?.all ?? 0, touchpoints: row?.touchpoints ?? [] }
}

/** Moves messages into a new conversation of the same contact, with touchpoints of its own. Lock: the conversation. */
export async function splitConversation(
  trx: Transaction<Tables>,
  split: {
    readonly from: string
    readonly id: string
    readonly messages: readonly string[]
    readonly touchpoints: readonly { readonly old: string; readonly id: string }[]
  },
): Promise<void> {
  const old = split.touchpoints.map((one) => one.old)
  const created = split.touchpoints.map((one) => one.id)
  await sql`
    insert into conversation (id, contact_id, status, priority, queue, language, waiting_since, related_to)
    select ${split.id}::uuid, contact_id, 'open', priority, queue, language, waiting_since, id from conversation
    where id = ${split.from}::uuid`.execute(trx)
  await sql`
    insert into touchpoint (id, conversation_id, contact_id, channel, thread, thread_kind, title, last_inbound_at)
    select n.id, ${split.id}::uuid, t.contact_id, t.channel, t.thread, t.thread_kind, t.title, t.last_inbound_at
    from unnest(${old}::uuid[], ${created}::uuid[]) as n(old, id) join touchpoint t on t.id = n.old`.execute(trx)
  await sql`
    update message m set conversation_id = ${split.id}::uuid, touchpoint_id = coalesce((
      select n.id from unnest(${old}::uuid[], ${created}::uuid[]) as n(old, id) where n.old = m.touchpoint_id), m.touchpoint_id)
    where m.conversation_id = ${split.from}::uuid and m.id = any(${split.messages}::uuid[])`.execute(trx)
  await sql`
    update send s set conversation_id = m.conversation_id, touchpoint_id = m.touchpoint_id
    from message m where m.id = s.message_id and m.id = any(${split.messages}::uuid[])`.execute(trx)
  await retellConversations(trx, [split.id, split.from])
}
