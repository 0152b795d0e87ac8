import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** An item whose plan wants the customer told how long it takes, and that has found nobody at once. */
export interface Waiter {
  readonly item: string
  readonly conversation: string
  readonly queue: string
  readonly name: string | null
  readonly language: string | null
}

export async function waiters(db: Kysely<Tables>, afterS: number, limit: number): Promise<readonly Waiter[]> {
  const { rows } = await sql<Waiter>`
    select w.id as item, w.conversation_id as conversation, w.queue, k.name, coalesce(c.language, k.language) as language
    from work_item w join conversation c on c.id = w.conversation_id left join contact k on k.id = c.contact_id
    where w.state = 'queued' and w.tell_wait
      and coalesce(w.opened_at, w.first_enqueued_at) <= clock_timestamp() - make_interval(secs => ${afterS}::int)
    order by w.id limit ${limit}`.execute(db)
  return rows
}

/** Once an item: the key. The conversation's lock is held. */
export async function claimTelling(trx: Transaction<Tables>, item: string): Promise<boolean> {
  const { rows } = await sql`
    update work_item set tell_wait = false where id = ${item} and state = 'queued' and tell_wait returning 1`.execute(
    trx,
  )
  return rows.length === 1
}
