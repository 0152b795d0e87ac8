import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Writes of one act. Every caller holds the conversation's row lock (lockConversation); version moves with each. */

export async function setStatus(
  trx: Transaction<Tables>,
  id: string,
  to: { readonly status: string; readonly until: Date | null },
): Promise<void> {
  await sql`
    update conversation set status = ${to.status}, version = version + 1,
      snoozed_until = case when ${to.status} = 'snoozed' then ${to.until}::timestamptz end,
      resolved_at = case when ${to.status} = 'resolved' then coalesce(resolved_at, now()) end,
      waiting_since = case when ${to.status} = 'resolved' then null else waiting_since end
    where id = ${id}::uuid`.execute(trx)
}

export async function setFields(
  trx: Transaction<Tables>,
  id: string,
  to: {
    readonly subject: string | null
    readonly tags: readonly string[]
    readonly priority: string
    readonly language: string | null
  },
): Promise<void> {
  await sql`
    update conversation set subject = ${to.subject}, tags = ${to.tags}::text[], priority = ${to.priority},
      language = ${to.language}, version = version + 1
    where id = ${id}::uuid`.execute(trx)
}

export async function insertNote(
  trx: Transaction<Tables>,
  note: {
    readonly id: string
    readonly conversation: string
    readonly text: string
    readonly author: { readonly kind: string; readonly id: string | null }
  },
): Promise<void> {
  await sql`
    insert into message (id, conversation_id, direction, author_kind, author_id, text, parts, provider_at)
    values (${note.id}::uuid, ${note.conversation}::uuid, 'note', ${note.author.kind}, ${note.author.id}, ${note.text},
      ${JSON.stringify([{ type: 'text', text: note.text }])}::json, now())`.execute(trx)
  await sql`update conversation set version = version + 1 where id = ${note.conversation}::uuid`.execute(trx)
}

/** Both rows are locked in id order. Touchpoints that both have become one; messages and sends follow. */
export async function moveConversation(trx: Transaction<Tables>, from: string, into: string): Promise<void> {
  await sql`
    with pairs as (
      select f.id as old, k.id as new from touchpoint f
      join touchpoint k on k.channel = f.channel and k.thread = f.thread and k.conversation_id = ${into}::uuid
      where f.conversation_id = ${from}::uuid
    ), messages as (
      update message m set touchpoint_id = p.new from pairs p where m.touchpoint_id = p.old
    ), sends as (
      update send s set touchpoint_id = p.new from pairs p where s.touchpoint_id = p.old
    ), widened as (
      update touchpoint k set last_inbound_at = greatest(k.last_inbound_at, f.last_inbound_at)
      from pairs p join touchpoint f on f.id = p.old where k.id = p.new
    )
    update conversation c set last_touchpoint = p.new from pairs p where c.last_touchpoint = p.old`.execute(trx)
  await sql`
    delete from touchpoint f using touchpoint k
    where f.conversation_id = ${from}::uuid and k.conversation_id = ${into}::uuid and k.channel = f.channel
      and k.thread = f.thread and not exists (select 1 from send s where s.touchpoint_id = f.id)`.execute(trx)
  await sql`update touchpoint set conversation_id = ${into}::uuid where conversation_id = ${from}::uuid`.execute(trx)
  await sql`update message set conversation_id = ${into}::uuid where conversation_id = ${from}::uuid`.execute(trx)
  await sql`update send set conversation_id = ${into}::uuid where conversation_id = ${from}::uuid`.execute(trx)
  await sql`
    update conversation k set version = k.version + 1,
      last_touchpoint = case when f.last_inbound_at > coalesce(k.last_inbound_at, '-infinity') then coalesce(f.last_touchpoint, k.last_touchpoint)
        else k.last_touchpoint end,
      last_message_at = greatest(k.last_message_at, f.last_message_at),
      last_inbound_at = greatest(k.last_inbound_at, f.last_inbound_at),
      waiting_since = least(k.waiting_since, f.waiting_since),
      tags = (select coalesce(array_agg(distinct tag), '{}') from unnest(k.tags || f.tags) tag),
      status = case when k.status = 'resolved' and f.status <> 'resolved' then f.status else k.status end,
      resolved_at = case when k.status = 'resolved' and f.status <> 'resolved' then null else k.resolved_at end
    from conversation f where k.id = ${into}::uuid and f.id = ${from}::uuid`.execute(trx)
  await sql`
    update conversation set status = 'joined', joined_into = ${into}::uuid, waiting_since = null, snoozed_until = null,
      version = version + 1
    where id = ${from}::uuid`.execute(trx)
}

/**
 * Moves some messages into a new conversation of the same contact, with touchpoints of its own. Answers how many moved.
 */
export async function splitConversation(
  trx: Transaction<Tables>,
  split: { readonly from: string; readonly id: string; readonly messages: readonly string[] },
): Promise<number> {
  await sql`
    insert into conversation (id, contact_id, status, priority, queue, language, related_to)
    select ${split.id}::uuid, contact_id, 'open', priority, queue, language, id from conversation
    where id = ${split.from}::uuid`.execute(trx)
  await sql`
    insert into touchpoint (id, conversation_id, contact_id, channel, thread, thread_kind, title, last_inbound_at)
    select gen_random_uuid(), ${split.id}::uuid, t.contact_id, t.channel, t.thread, t.thread_kind, t.title,
      max(m.provider_at) filter (where m.direction = 'in')
    from message m join touchpoint t on t.id = m.touchpoint_id
    where m.conversation_id = ${split.from}::uuid and m.id = any(${split.messages}::uuid[])
    group by t.contact_id, t.channel, t.thread, t.thread_kind, t.title`.execute(trx)
  const { numAffectedRows } = await sql`
    update message m set conversation_id = ${split.id}::uuid, touchpoint_id = (
      select k.id from touchpoint k join touchpoint t on t.id = m.touchpoint_id
      where k.conversation_id = ${split.id}::uuid and k.channel = t.channel and k.thread = t.thread)
    where m.conversation_id = ${split.from}::uuid and m.id = any(${split.messages}::uuid[])`.execute(trx)
  await sql`
    update send s set conversation_id = m.conversation_id, touchpoint_id = m.touchpoint_id
    from message m where m.id = s.message_id and m.id = any(${split.messages}::uuid[])`.execute(trx)
  await sql`
    update conversation c set version = version + 1, last_message_at = x.last, last_inbound_at = x.inbound,
      last_touchpoint = (select m.touchpoint_id from message m where m.conversation_id = c.id and m.direction = 'in'
        order by m.provider_at desc, m.id desc limit 1)
    from (
      select conversation_id, max(provider_at) as last, max(at) filter (where direction = 'in') as inbound
      from message where conversation_id in (${split.id}::uuid, ${split.from}::uuid) group by 1
    ) x where c.id = x.conversation_id`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/** Snoozes that are over, by database time; a bounded number at a time. Rows are locked as they are changed. */
export async function wakeSnoozed(
  trx: Transaction<Tables>,
): Promise<{ id: string; contact: string; version: number }[]> {
  const { rows } = await sql<{ id: string; contact: string; version: number }>`
    update conversation set status = 'open', snoozed_until = null, version = version + 1
    where id in (
      select id from conversation where status = 'snoozed' and snoozed_until <= clock_timestamp()
      order by id limit 500 for no key update skip locked)
    returning id, contact_id as contact, version`.execute(trx)
  return rows
}
