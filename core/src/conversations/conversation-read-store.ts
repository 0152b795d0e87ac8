import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { ConversationStatus, ConversationView, TouchpointView } from './contract.js'
import { placeTime, type Place } from './cursor.js'

type Db = Kysely<Tables> | Transaction<Tables>

/** touchpoints come as JSON, so their times are text until `conversationView` has turned them. */
type Row = Omit<ConversationView, 'touchpoints'> & {
  readonly touchpoints: readonly (Omit<TouchpointView, 'lastInboundAt'> & { readonly lastInboundAt: string | null })[]
}

const columns = sql.raw(`
  c.id, c.contact_id as contact, c.status, c.subject, c.priority, c.queue, c.assignee, c.tags, c.language,
  c.last_touchpoint as "lastTouchpoint", c.last_message_at as "lastMessageAt", c.waiting_since as "waitingSince",
  c.snoozed_until as "snoozedUntil", c.resolved_at as "resolvedAt", c.joined_into as "joinedInto",
  c.related_to as "relatedTo", c.version, c.created_at as "createdAt",
  coalesce((select json_agg(json_build_object('id', t.id, 'channel', t.channel, 'thread', t.thread, 'title', t.title,
      'lastInboundAt', t.last_inbound_at) order by t.created_at, t.id)
    from touchpoint t where t.conversation_id = c.id), '[]') as touchpoints`)

function conversationView(row: Row): ConversationView {
  return {
    ...row,
    touchpoints: row.touchpoints.map((one) => ({
      ...one,
      lastInboundAt: one.lastInboundAt === null ? null : new Date(one.lastInboundAt),
    })),
  }
}

export async function findConversation(db: Db, id: string): Promise<ConversationView | null> {
  const { rows } = await sql<Row>`select ${columns} from conversation c where c.id = ${id}::uuid`.execute(db)
  return rows[0] === undefined ? null : conversationView(rows[0])
}

/** The same under the row's lock: every act on a conversation starts here. */
export async function lockConversation(trx: Transaction<Tables>, id: string): Promise<ConversationView | null> {
  await sql`select id from conversation where id = ${id}::uuid for no key update`.execute(trx)
  // A statement of its own: touchpoints another transaction had just added are seen, too.
  return findConversation(trx, id)
}

export interface ListFilter {
  readonly status?: ConversationStatus
  readonly assignee?: string
  readonly queue?: string
  readonly contact?: string
  readonly limit: number
  /** Keyset: where the page before ended. */
  readonly after: Place | null
}

/** The latest first. Every conversation begins with a message, so last_message_at is there and its index serves. */
export async function listConversations(
  db: Db,
  filter: ListFilter,
): Promise<{ readonly view: ConversationView; readonly at: string }[]> {
  const { status = null, assignee = null, queue = null, contact = null, after, limit } = filter
  const { rows } = await sql<Row & { readonly place: string }>`
    select ${columns}, ${sql.raw(placeTime('c.last_message_at'))} as place from conversation c
    where c.last_message_at is not null
      and (${status}::text is null and c.status <> 'joined' or c.status = ${status})
      and (${assignee}::text is null or c.assignee = ${assignee})
      and (${queue}::text is null or c.queue = ${queue})
      and (${contact}::uuid is null or c.contact_id = ${contact}::uuid)
      and (${after?.id ?? null}::uuid is null
        or c.last_message_hour <= date_trunc('hour', ${after?.at ?? null}::timestamptz at time zone 'UTC')
          and (c.last_message_at, c.id) < (${after?.at ?? null}::timestamptz, ${after?.id ?? null}::uuid))
    order by c.last_message_hour desc, c.last_message_at desc, c.id desc limit ${limit}`.execute(db)
  return rows.map(({ place, ...row }) => ({ view: conversationView(row), at: place }))
}
