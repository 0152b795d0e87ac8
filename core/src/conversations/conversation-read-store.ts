import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { ConversationStatus, ConversationView, TouchpointView } from './contract.js'

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
  const { rows } = await sql<Row>`
    select ${columns} from (select * from conversation where id = ${id}::uuid for no key update) c`.execute(trx)
  return rows[0] === undefined ? null : conversationView(rows[0])
}

export interface ListFilter {
  readonly status?: ConversationStatus
  readonly assignee?: string
  readonly queue?: string
  readonly contact?: string
  readonly limit: number
  /** Keyset: last message time and id of the page before. */
  readonly after: { readonly at: string; readonly id: string } | null
}

export async function listConversations(db: Db, filter: ListFilter): Promise<ConversationView[]> {
  const { rows } = await sql<Row>`
    select ${columns} from conversation c
    where (${filter.status ?? null}::text is null and c.status <> 'joined' or c.status = ${filter.status ?? null})
      and (${filter.assignee ?? null}::text is null or c.assignee = ${filter.assignee ?? null})
      and (${filter.queue ?? null}::text is null or c.queue = ${filter.queue ?? null})
      and (${filter.contact ?? null}::uuid is null or c.contact_id = ${filter.contact ?? null}::uuid)
      and (${filter.after?.id ?? null}::uuid is null
        or (coalesce(c.last_message_at, c.created_at), c.id) < (${filter.after?.at ?? null}::timestamptz, ${filter.after?.id ?? null}::uuid))
    order by coalesce(c.last_message_at, c.created_at) desc, c.id desc limit ${filter.limit}`.execute(db)
  return rows.map(conversationView)
}
