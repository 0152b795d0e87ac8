import { sql, type Kysely, type Transaction } from 'kysely'
import type { MediaHandle } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'

export interface PendingAttachment {
  readonly id: string
  readonly message: string
  readonly conversation: string
  readonly contact: string
  readonly channel: string
  readonly handle: MediaHandle
  /** This one included. */
  readonly attempts: number
  /** The customer took the message back. */
  readonly deleted: boolean
  /** It has waited so long that links and media ids are void. */
  readonly stale: boolean
}

/** Longer than a fetch may take, so that a slow one is not taken twice. */
const LEASE = '3 minutes'
const KEPT = '3 days'

/** Channels that have something due: each is fetched from on its own, so that a hanging one delays nobody else. */
export async function channelsWaiting(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ channel: string }>`
    select distinct channel from attachment where state = 'pending' and retry_at <= clock_timestamp()`.execute(db)
  return rows.map((row) => row.channel)
}

/**
 * Takes attachments that are due: their next time is pushed past the lease, by database time, so that no other node takes
 * them meanwhile and a node that dies gives them back by itself. The attempt is counted before the work.
 */
export async function takePending(db: Kysely<Tables>, channel: string, limit: number): Promise<PendingAttachment[]> {
  const { rows } = await sql<PendingAttachment>`
    with due as (
      select id from attachment where state = 'pending' and retry_at <= clock_timestamp() and channel = ${channel}
      order by retry_at limit ${limit} for update skip locked
    ), taken as (
      update attachment a set attempts = a.attempts + 1, retry_at = clock_timestamp() + ${LEASE}::interval
      from due where a.id = due.id
      returning a.id, a.message_id, a.channel, a.handle, a.attempts, a.created_at
    )
    select t.id, t.message_id as message, m.conversation_id as conversation, c.contact_id as contact, t.channel, t.handle,
      t.attempts, m.deleted_at is not null as deleted, t.created_at < now() - ${KEPT}::interval as stale
    from taken t join message m on m.id = t.message_id join conversation c on c.id = m.conversation_id`.execute(db)
  return rows
}

export type Settled =
  | {
      readonly state: 'stored'
      readonly key: string
      readonly mime: string
      readonly size: number
      readonly name: string | null
    }
  | { readonly state: 'missing' | 'refused'; readonly reason: string }

/** Fence: only while it is still pending; the second of two fetchers changes nothing. */
export async function settleAttachment(trx: Transaction<Tables>, id: string, to: Settled): Promise<boolean> {
  const { numAffectedRows } =
    to.state === 'stored'
      ? await sql`
          update attachment set state = 'stored', file_key = ${to.key}, mime = ${to.mime}, size = ${to.size},
            name = coalesce(name, ${to.name}), reason = null
          where id = ${id}::uuid and state = 'pending'`.execute(trx)
      : await sql`
          update attachment set state = ${to.state}, reason = ${to.reason}
          where id = ${id}::uuid and state = 'pending'`.execute(trx)
  return numAffectedRows === 1n
}

/** Fence: the attempt that was counted when it was taken. `counted` false: that attempt was none. */
export async function retryAttachment(
  db: Kysely<Tables>,
  one: Pick<PendingAttachment, 'id' | 'attempts'>,
  again: { readonly afterMs: number; readonly counted: boolean },
): Promise<void> {
  await sql`
    update attachment set retry_at = clock_timestamp() + make_interval(secs => ${again.afterMs / 1000}::float8),
      attempts = attempts - ${again.counted ? 0 : 1}::smallint
    where id = ${one.id}::uuid and state = 'pending' and attempts = ${one.attempts}`.execute(db)
}
