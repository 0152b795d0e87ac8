import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { SendState } from './message-state-store.js'
import type { PlanResult } from './plan.js'
import type { StoredPart } from './stored-part.js'

/** A send that this node has taken: it alone may deliver it until the lease ends. */
export interface ClaimedSend {
  readonly id: string
  readonly messageId: string
  readonly conversation: string
  readonly touchpoint: string
  readonly channel: string
  readonly thread: string
  readonly part: StoredPart
  readonly attempts: number
  readonly bugs: number
  readonly replanned: boolean
  readonly claimToken: string
}

const claimed = sql`id, message_id as "messageId", conversation_id as conversation, touchpoint_id as touchpoint, channel,
  thread, part, attempts, bugs, replanned, claim_token as "claimToken"`

/**
 * Takes the heads of free lanes, oldest first. A lane is (conversation, channel); its head is its lowest unsettled `seq`,
 * so nothing overtakes a part that is being sent or waits for its next try. Two nodes meet at the row lock: the second
 * skips the lane, and a lane whose head moved on meanwhile fails the state check of the locked row.
 * Idempotency key of the write: (send, claim token).
 */
export async function claimHeads(
  trx: Transaction<Tables>,
  input: {
    readonly channel: string
    readonly limit: number
    readonly node: string
    readonly token: string
    readonly leaseMs: number
  },
): Promise<readonly ClaimedSend[]> {
  const { rows } = await sql<ClaimedSend & { seq: number }>`
    with heads as (
      select s.id from send s
      where s.channel = ${input.channel} and s.state = 'queued' and s.retry_at <= now()
        and not exists (
          select 1 from send earlier
          where earlier.channel = s.channel and earlier.conversation_id = s.conversation_id and earlier.seq < s.seq
            and earlier.state in ('queued', 'sending'))
        and not exists (
          select 1 from channel_limit held
          where held.channel = s.channel || '/' || s.thread and held.paused_until > now())
      order by s.seq limit ${input.limit}
      for update of s skip locked
    )
    update send set state = 'sending', claim_token = ${input.token}, node_id = ${input.node}, attempts = attempts + 1,
      lease_until = clock_timestamp() + ${input.leaseMs} * interval '1 millisecond'
    where id in (select id from heads)
    returning ${claimed}, seq`.execute(trx)
  return [...rows].sort((a, b) => a.seq - b.seq)
}

/** Network ids of the latest messages of each send's touchpoint, oldest first, at most 20. */
export async function referencesOf(
  db: Kysely<Tables>,
  sends: readonly Pick<ClaimedSend, 'id' | 'conversation' | 'touchpoint'>[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await sql<{ id: string; references: readonly string[] }>`
    select w.id, array(
      select r.external_id from (
        select coalesce(s.external_id, m.external_id) as external_id, m.provider_at, s.seq
        from message m left join send s on s.message_id = m.id
        where m.conversation_id = w.conversation and m.touchpoint_id = w.touchpoint and m.direction in ('in', 'out')
          and coalesce(s.external_id, m.external_id) is not null
        order by m.provider_at desc, s.seq desc limit 20
      ) r order by r.provider_at, r.seq
    ) as references
    from unnest(${sends.map((send) => send.id)}::uuid[], ${sends.map((send) => send.conversation)}::uuid[],
      ${sends.map((send) => send.touchpoint)}::uuid[]) as w (id, conversation, touchpoint)`.execute(db)
  return new Map(rows.map((row) => [row.id, row.references]))
}

/** What an attempt came to. Only the holder of the claim writes; false: somebody else took over, nothing was written. */
export async function writeResult(
  trx: Transaction<Tables>,
  send: ClaimedSend,
  result: {
    readonly state: SendState
    readonly externalId?: string | null
    readonly code?: string | null
    readonly reason?: string | null
    readonly retryInMs?: number
    readonly attempts?: number
    readonly bugs?: number
  },
): Promise<boolean> {
  const settled = result.state !== 'queued'
  const { rows } = await sql`
    update send set state = ${result.state}, claim_token = null, lease_until = null,
      external_id = (select ${result.externalId ?? null}::text where not exists (
        select 1 from send other where other.channel = send.channel and other.external_id = ${result.externalId ?? null})),
      error_code = ${result.code ?? null}, error_message = ${result.reason ?? null},
      retry_at = clock_timestamp() + ${result.retryInMs ?? 0} * interval '1 millisecond',
      attempts = ${result.attempts ?? send.attempts}, bugs = ${result.bugs ?? send.bugs},
      settled_at = case when ${settled} then clock_timestamp() end
    where id = ${send.id} and claim_token = ${send.claimToken} and state = 'sending'
    returning id`.execute(trx)
  return rows.length === 1
}

/**
 * The rest of a message whose part ended badly ends with it, so that the lane goes on with the next message. Behind an
 * unknown part the rest is taken back: nobody knows what the customer has seen.
 */
export async function endRest(trx: Transaction<Tables>, ended: readonly string[]): Promise<void> {
  await sql`
    update send rest set settled_at = clock_timestamp(), error_code = 'earlier_part',
      error_message = 'an earlier part of the message did not arrive',
      state = case when head.state = 'unknown' then 'cancelled' else head.state end
    from send head
    where head.id = any(${ended}::uuid[]) and rest.message_id = head.message_id and rest.seq > head.seq
      and rest.state = 'queued'`.execute(trx)
}

/** Sends whose node died or stood still: the lease is over by database time. Locked until the transaction ends. */
export async function lapsedSends(
  trx: Transaction<Tables>,
  limit: number,
  unloaded: readonly string[],
): Promise<readonly ClaimedSend[]> {
  const { rows } = await sql<ClaimedSend>`
    select ${claimed} from send where state = 'sending' and lease_until < clock_timestamp()
      and (lease_until < clock_timestamp() - interval '10 minutes' or not channel = any(${[...unloaded]}::text[]))
    order by id limit ${limit} for update skip locked`.execute(trx)
  return rows
}

/** What these nodes had in hand lapses now instead of at the end of its lease. Answers how much it was. */
export async function lapseSends(db: Kysely<Tables>, nodes: readonly string[]): Promise<number> {
  const { numAffectedRows } = await sql`
    update send set lease_until = clock_timestamp() - interval '1 ms'
    where state = 'sending' and node_id = any(${[...nodes]}::uuid[]) and lease_until > clock_timestamp()`.execute(db)
  return Number(numAffectedRows ?? 0)
}

/** Channels that have a part due now. */
export async function dueChannels(db: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ channel: string }>`
    select distinct channel from send where state = 'queued' and retry_at <= clock_timestamp()`.execute(db)
  return rows.map((row) => row.channel)
}

/**
 * A part in another form: the first piece takes its row, further ones go in behind it and everything later in the lane is
 * numbered anew. Lock: the conversation, taken first, because whoever queues takes it too. False: the claim was lost.
 */
export async function replacePart(
  trx: Transaction<Tables>,
  send: ClaimedSend,
  parts: readonly StoredPart[],
  { losses, numbered }: Pick<PlanResult, 'losses' | 'numbered'>,
  ids: () => string,
): Promise<boolean> {
  await sql`select 1 from conversation where id = ${send.conversation} for no key update`.execute(trx)
  const { rows } = await sql<{ seq: number }>`
    update send set state = 'queued', claim_token = null, lease_until = null, replanned = true, attempts = attempts - 1,
      retry_at = clock_timestamp(), part = ${JSON.stringify(parts[0])}, id = ${ids()}
    where id = ${send.id} and claim_token = ${send.claimToken} and state = 'sending' returning seq`.execute(trx)
  const seq = rows[0]?.seq
  if (seq === undefined) return false
  const later = await sql<{ id: string }>`
    select id from send where channel = ${send.channel} and conversation_id = ${send.conversation} and seq > ${seq}
      and state = 'queued' order by seq`.execute(trx)
  for (const part of parts.slice(1)) {
    await sql`
      insert into send (id, message_id, conversation_id, touchpoint_id, channel, thread, part, replanned)
      values (${ids()}, ${send.messageId}, ${send.conversation}, ${send.touchpoint}, ${send.channel}, ${send.thread},
        ${JSON.stringify(part)}, true)`.execute(trx)
  }
  if (parts.length > 1) {
    for (const { id } of later.rows) await sql`update send set seq = default where id = ${id}`.execute(trx)
  }
  await sql`
    update message set losses = ((coalesce(losses::jsonb, '[]') || ${JSON.stringify(losses)}::jsonb))::json
    where id = ${send.messageId}`.execute(trx)
  if (numbered.length > 0) {
    await sql`
      update touchpoint set choices = ${JSON.stringify(numbered)}, choices_until = clock_timestamp() + interval '24 hours'
      where id = ${send.touchpoint}`.execute(trx)
  }
  return true
}
