import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** What a restore writes as `error_code` of the parts it holds. */
export const RESTORED = 'restored'

export interface HeldOnChannel {
  readonly channel: string
  readonly messages: number
  readonly oldest: Date
}

export async function heldByChannel(db: Kysely<Tables>): Promise<readonly HeldOnChannel[]> {
  const { rows } = await sql<HeldOnChannel>`
    select channel, count(distinct message_id)::integer as messages, min(created_at) as oldest
    from send where state = 'unknown' and error_code = ${RESTORED} group by channel order by channel`.execute(db)
  return rows
}

/** Messages with parts that a restore holds, in the order of their lanes. */
export async function heldMessages(db: Kysely<Tables>, channel: string | null): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select message_id as id from send
    where state = 'unknown' and error_code = ${RESTORED} and (${channel}::text is null or channel = ${channel}::text)
    group by message_id order by min(seq)`.execute(db)
  return rows.map((row) => row.id)
}
