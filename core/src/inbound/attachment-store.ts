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
  readonly attempts: number
}

const LEASE = '2 minutes'

/**
 * Takes attachments that are due: their next time is pushed past the lease, by database time, so that no other node takes
 * them meanwhile and a node that dies gives them back by itself. The attempt is counted before the work.
 */
export async function takePending(db: Kysely<Tables>, limit: number): Promise<PendingAttachment[]> {
  const { rows } = await sql<PendingAttachment>`
    with due as (
      select id from attachment where state = 'pending' and retry_at <= clock_timestamp()
      order by retry_at limit ${limit} for update skip locked
    ), taken as (
      update attachment a set attempts = a.attempts + 1, retry_at = clock_timestamp() + ${LEASE}::interval
      from due where a.id = due.id returning a.id, a.message_id, a.channel, a.handle, a.attempts
    )
    select t.id, t.message_id as message, m.conversation_id as conversation, c.contact_id as contact, t.channel, t.handle, t.attempts
    from taken t join message m on m.id = t.message_id join conversation c on c.id = m.conversation_id`.execute(db)
  return rows
}

/** Fence: only while it is still pending. */
export async function settleAttachment(
  trx: Transaction<Tables>,
  id: string,
  to:
    | {
        readonly state: 'stored'
        readonly key: string
        readonly mime: string
        readonly size: number
        readonly name: string | null
      }
    | { readonly state: 'missing' | 'refused'; readonly reason: string },
): Promise<boolean> {
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

export async function retryAttachment(db: Kysely<Tables>, id: string, afterMs: number): Promise<void> {
  await sql`
    update attachment set retry_at = clock_timestamp() + make_interval(secs => ${afterMs / 1000}::float8)
    where id = ${id}::uuid and state = 'pending'`.execute(db)
}
