import { sql, type Kysely, type Transaction } from 'kysely'
import type { Choice, Part } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'
import type { StoredPart } from './stored-part.js'

/** The rows that queueing an outgoing message reads and writes. */

export interface ConversationRow {
  readonly id: string
  readonly contact: string
  readonly status: string
  readonly subject: string | null
  readonly lastTouchpoint: string | null
  readonly joinedInto: string | null
}

type Reader = Kysely<Tables> | Transaction<Tables>

/** `lock`: held against every other writer of the conversation; the order of its sends is the order of these locks. */
export async function readConversation(db: Reader, id: string, lock: boolean): Promise<ConversationRow | null> {
  const { rows } = await sql<ConversationRow>`
    select id, contact_id as contact, status, subject, last_touchpoint as "lastTouchpoint", joined_into as "joinedInto"
    from conversation where id = ${id} ${lock ? sql`for no key update` : sql``}`.execute(db)
  return rows[0] ?? null
}

export interface TouchpointRow {
  readonly id: string
  readonly channel: string
  readonly thread: string
  /** Newest message of the customer on this thread, in whatever conversation: the network's window counts from it. */
  readonly lastInboundAt: Date | null
  /** Database time of the reading. */
  readonly now: Date
}

/** The touchpoint asked for; else the newest one on the channel; else the one the customer wrote on last. */
export async function readTouchpoint(
  db: Reader,
  conversation: ConversationRow,
  wanted: { readonly touchpoint?: string; readonly channel?: string },
): Promise<TouchpointRow | null> {
  const { rows } = await sql<TouchpointRow>`
    select t.id, t.channel, t.thread, clock_timestamp() as now,
      (select max(o.last_inbound_at) from touchpoint o where o.channel = t.channel and o.thread = t.thread)
        as "lastInboundAt"
    from touchpoint t
    where t.conversation_id = ${conversation.id}
      and (${wanted.touchpoint ?? null}::uuid is null or t.id = ${wanted.touchpoint ?? null}::uuid)
      and (${wanted.channel ?? null}::text is null or t.channel = ${wanted.channel ?? null}::text)
    order by (t.id = ${conversation.lastTouchpoint}::uuid) desc nulls last, t.last_inbound_at desc nulls last, t.id desc
    limit 1`.execute(db)
  return rows[0] ?? null
}

/** The network's id of the message an answer quotes: by our id or the network's. */
export async function externalIdOf(db: Reader, conversation: string, message: string): Promise<string | null> {
  const { rows } = await sql<{ externalId: string | null }>`
    select coalesce(m.external_id, (select s.external_id from send s where s.message_id = m.id and s.external_id is not null
      order by s.seq limit 1)) as "externalId"
    from message m
    where m.conversation_id = ${conversation} and (m.id::text = ${message} or m.external_id = ${message}) limit 1`.execute(
    db,
  )
  return rows[0]?.externalId ?? null
}

/** The network's id of the customer's last message on a touchpoint. */
export async function lastInbound(db: Reader, conversation: string, touchpoint: string): Promise<string | null> {
  const { rows } = await sql<{ externalId: string }>`
    select external_id as "externalId" from message
    where conversation_id = ${conversation} and touchpoint_id = ${touchpoint} and direction = 'in'
      and external_id is not null
    order by provider_at desc, id desc limit 1`.execute(db)
  return rows[0]?.externalId ?? null
}

export async function agentName(db: Reader, agent: string): Promise<string | null> {
  const row = await db.selectFrom('agent').select('name').where('id', '=', agent).executeTakeFirst()
  return row?.name ?? null
}

export interface NewMessage {
  readonly id: string
  readonly conversation: string
  readonly touchpoint: TouchpointRow
  readonly author: { readonly kind: 'agent' | 'bot' | 'system'; readonly id: string | null }
  readonly text: string
  readonly parts: readonly Part[]
  readonly subject: string | null
  readonly replyTo: string | null
  readonly losses: readonly string[]
  /** Choices the customer sees as a numbered list. */
  readonly numbered: readonly Choice[]
  /** Ids are the idempotency keys of the parts. */
  readonly sends: readonly { readonly id: string; readonly part: StoredPart }[]
}

/**
 * Message, sends, the conversation's own fields and the choices its touchpoint waits for. Lock: the conversation, held by the caller, so that `seq` ascends in
 * the order of the commits of one conversation. Answers the conversation's new version.
 */
export async function insertMessage(trx: Transaction<Tables>, message: NewMessage): Promise<number> {
  const { touchpoint, author } = message
  await sql`
    insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, author_id, text, parts,
      subject, reply_to, automatic, provider_at, at, state, losses)
    values (${message.id}, ${message.conversation}, ${touchpoint.id}, ${touchpoint.channel}, 'out', ${author.kind},
      ${author.id}, ${message.text}, ${JSON.stringify(message.parts)}, ${message.subject}, ${message.replyTo},
      ${author.kind === 'system'}, clock_timestamp(), clock_timestamp(), 'queued',
      ${message.losses.length > 0 ? JSON.stringify(message.losses) : null})`.execute(trx)
  await insertSends(trx, message)
  const numbered = message.numbered.length > 0 ? JSON.stringify(message.numbered) : null
  // What an agent or a bot says later takes the numbers away: then "2" may mean anything. The engine's own words do not.
  const { rows } = await sql<{ version: number }>`
    with listed as (
      update touchpoint set choices = ${numbered}::json,
        choices_until = case when ${numbered}::text is not null then clock_timestamp() + interval '24 hours' end
      where id = ${touchpoint.id} and (${numbered}::text is not null or (choices is not null and ${author.kind !== 'system'}))
    )
    update conversation set version = version + 1, last_message_at = clock_timestamp(),
      waiting_since = case when ${author.kind === 'agent'} then null else waiting_since end
    where id = ${message.conversation} returning version`.execute(trx)
  return rows[0]?.version ?? 0
}

export async function insertSends(
  trx: Transaction<Tables>,
  message: Pick<NewMessage, 'id' | 'conversation' | 'sends'> & {
    readonly touchpoint: Pick<TouchpointRow, 'id' | 'channel' | 'thread'>
  },
): Promise<void> {
  const { touchpoint } = message
  await trx
    .insertInto('send')
    .values(
      message.sends.map((send) => ({
        id: send.id,
        message_id: message.id,
        conversation_id: message.conversation,
        touchpoint_id: touchpoint.id,
        channel: touchpoint.channel,
        thread: touchpoint.thread,
        part: JSON.stringify(send.part),
        claim_token: null,
        lease_until: null,
        external_id: null,
        error_code: null,
        error_message: null,
        settled_at: null,
      })),
    )
    .execute()
}

export interface OutRow {
  readonly id: string
  readonly conversation: string
  readonly channel: string
  readonly state: string
}

export async function readOutbound(db: Reader, messageId: string): Promise<OutRow | null> {
  const { rows } = await sql<OutRow>`
    select id, conversation_id as conversation, channel, state from message
    where id::text = ${messageId} and direction = 'out'`.execute(db)
  return rows[0] ?? null
}

export async function bumpConversation(trx: Transaction<Tables>, id: string): Promise<void> {
  await sql`update conversation set version = version + 1 where id = ${id}`.execute(trx)
}

/** Takes back the parts that have not left. Answers how many there were. */
export async function cancelSends(trx: Transaction<Tables>, messageId: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update send set state = 'cancelled', settled_at = clock_timestamp()
    where message_id = ${messageId} and state = 'queued'`.execute(trx)
  return Number(numAffectedRows ?? 0)
}

/**
 * Puts the parts that never arrived at the end of their lane again, in their order. A part the network has already
 * numbered gets a new idempotency key: under the old one the network would only say "already done".
 * Lock: the conversation, held by the caller.
 */
export async function requeueSends(trx: Transaction<Tables>, messageId: string, ids: () => string): Promise<number> {
  const { rows } = await sql<{ id: string; externalId: string | null }>`
    select id, external_id as "externalId" from send
    where message_id = ${messageId} and state in ('failed', 'dead', 'unknown', 'cancelled')
    order by seq for update`.execute(trx)
  for (const row of rows) {
    await sql`
      update send set id = ${row.externalId === null ? row.id : ids()}, seq = default, state = 'queued', attempts = 0,
        bugs = 0, retry_at = clock_timestamp(), claim_token = null, lease_until = null, external_id = null,
        error_code = null, error_message = null, settled_at = null
      where id = ${row.id}`.execute(trx)
  }
  return rows.length
}
