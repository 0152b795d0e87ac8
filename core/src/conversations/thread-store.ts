import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

export interface ThreadRow {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly at: Date
  readonly authorKind: 'customer' | 'agent' | 'bot' | 'system'
  readonly authorName: string | null
  readonly parts: unknown
  readonly externalId: string | null
  readonly editedAt: Date | null
  readonly deletedAt: Date | null
  readonly reactions: readonly { readonly by: string; readonly emoji: string }[] | null
}

const columns = sql.raw(`
  m.id, m.direction, m.provider_at as at, m.author_kind as "authorKind", a.name as "authorName", 
  case when m.deleted_at is null then m.parts else '[]' end as parts,
  m.edited_at as "editedAt", m.deleted_at as "deletedAt", m.reactions,
  coalesce(m.external_id, (select s.external_id from send s where s.message_id = m.id order by s.seq limit 1)) as "externalId"`)

/** The newest public messages of one thread, oldest first. Whatever conversation they stand in; never another thread. */
export async function latestOfThread(
  db: Kysely<Tables>,
  channel: string,
  thread: string,
  limit: number,
): Promise<ThreadRow[]> {
  const { rows } = await sql<ThreadRow>`
    select * from (
      select ${columns}, m.provider_at as sort_at, m.id as sort_id
      from touchpoint t join message m on m.touchpoint_id = t.id and m.conversation_id = t.conversation_id
      left join agent a on m.author_kind = 'agent' and a.id = m.author_id
      where t.channel = ${channel} and t.thread = ${thread} and m.direction in ('in', 'out') and m.state is distinct from 'cancelled'
      order by m.provider_at desc, m.id desc limit ${limit}
    ) newest order by sort_at, sort_id`.execute(db)
  return rows
}

export async function messagesOfThread(
  db: Kysely<Tables>,
  channel: string,
  thread: string,
  ids: readonly string[],
): Promise<ThreadRow[]> {
  const { rows } = await sql<ThreadRow>`
    select ${columns}
    from message m join touchpoint t on t.id = m.touchpoint_id
    left join agent a on m.author_kind = 'agent' and a.id = m.author_id
    where m.id = any(${ids}::uuid[]) and t.channel = ${channel} and t.thread = ${thread} and m.direction in ('in', 'out')`.execute(
    db,
  )
  return rows
}

/** Where in the event log messages of a watched thread came up first; the latest thousand events are looked at. */
export async function positionsOfThread(
  db: Kysely<Tables>,
  watch: string,
  types: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ id: string; position: number }>`
    select e.data ->> 'messageId' as id, min(e.position) as position from (
      select position, data from event_log where watch = ${watch} and type = any(${types}::text[])
      order by position desc limit 1000
    ) e group by 1`.execute(db)
  return new Map(rows.map((row) => [row.id, row.position]))
}
