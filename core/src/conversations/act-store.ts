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
      ${JSON.stringify([{ type: 'text', text: note.text }])}::json, clock_timestamp())`.execute(trx)
  await sql`update conversation set version = version + 1 where id = ${note.conversation}::uuid`.execute(trx)
}

/** Snoozes that are over, by database time; a bounded number at a time. Rows are locked as they are changed. */
export async function wakeSnoozed(
  trx: Transaction<Tables>,
  limit: number,
): Promise<{ id: string; contact: string; version: number }[]> {
  const { rows } = await sql<{ id: string; contact: string; version: number }>`
    update conversation set status = 'open', snoozed_until = null, version = version + 1
    where id in (
      select id from conversation where status = 'snoozed' and snoozed_until <= clock_timestamp()
      order by id limit ${limit} for no key update skip locked)
    returning id, contact_id as contact, version`.execute(trx)
  return rows
}
