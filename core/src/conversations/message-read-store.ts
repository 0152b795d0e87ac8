import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { MessageView } from './contract.js'
import { placeTime, type Place } from './cursor.js'

/** A message as read; attachments still carry the key of their file instead of a link. */
export interface MessageRow extends Omit<MessageView, 'author' | 'attachments' | 'losses'> {
  readonly authorKind: MessageView['author']['kind']
  readonly authorId: string | null
  readonly authorName: string | null
  readonly losses: readonly string[] | null
  readonly attachments: readonly (Omit<MessageView['attachments'][number], 'url'> & {
    readonly fileKey: string | null
  })[]
  /** Its time as a cursor holds it. */
  readonly place: string
}

const select = sql.raw(`
  select m.id, m.conversation_id as conversation, m.touchpoint_id as touchpoint, m.channel, m.direction,
    m.author_kind as "authorKind", m.author_id as "authorId", coalesce(a.name, k.name) as "authorName",
    case when m.deleted_at is null then m.text else '' end as text,
    case when m.deleted_at is null then m.parts else '[]' end as parts,
    case when m.deleted_at is null then m.subject end as subject,
    m.reply_to as "replyTo", m.automatic, m.provider_at as "providerAt", m.at, m.late, m.state, m.losses, m.reactions,
    m.edited_at as "editedAt", m.deleted_at as "deletedAt", ${placeTime('m.provider_at')} as place,
    coalesce((select json_agg(json_build_object('id', f.id, 'partIndex', f.part_index, 'state', f.state, 'name', f.name,
        'mime', f.mime, 'size', f.size, 'fileKey', f.file_key, 'reason', f.reason) order by f.part_index)
      from attachment f where f.message_id = m.id and m.deleted_at is null), '[]') as attachments
  from message m
  left join agent a on m.author_kind = 'agent' and a.id = m.author_id
  left join contact k on k.id = case when m.author_kind = 'customer' and m.author_id ~ '^[0-9a-f-]{36}$' then m.author_id::uuid end`)

type Db = Kysely<Tables> | Transaction<Tables>

/** One page of the timeline, newest first; the caller turns it round. Keyset over (provider_at, id). */
export async function readHistory(
  db: Db,
  conversation: string,
  page: { readonly before: Place | null; readonly limit: number },
): Promise<MessageRow[]> {
  const { rows } = await sql<MessageRow>`
    ${select}
    where m.conversation_id = ${conversation}::uuid and (${page.before?.id ?? null}::uuid is null
      or (m.provider_at, m.id) < (${page.before?.at ?? null}::timestamptz, ${page.before?.id ?? null}::uuid))
    order by m.provider_at desc, m.id desc limit ${page.limit}`.execute(db)
  return rows
}

export async function findMessage(db: Db, id: string): Promise<MessageRow | null> {
  const { rows } = await sql<MessageRow>`${select} where m.id = ${id}::uuid`.execute(db)
  return rows[0] ?? null
}
