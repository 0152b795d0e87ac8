import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { RETURNED_BOOST_S } from './units.js'

type Trx = Transaction<Tables>

/** Items just written in this transaction, given straight to the agents they come back to. Answers conversation → version. */
export async function assignReturned(
  trx: Trx,
  given: readonly { readonly item: string; readonly agent: string }[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ conversation: string; version: number }>`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as r(item uuid, agent text)
    ), assigned as (
      update work_item w set state = 'assigned', assignee = g.agent, epoch = w.epoch + 1, waiting_reason = null,
        was_taken = true
      from given g where w.id = g.item returning w.conversation_id, w.assignee
    )
    update conversation c set assignee = a.assignee, version = c.version + 1 from assigned a
    where c.id = a.conversation_id returning c.id as conversation, c.version`.execute(trx)
  return new Map(rows.map((row) => [row.conversation, row.version]))
}

/** Customers who come back and whose agent is not there or full: some minutes ahead of others. */
export async function boostReturned(trx: Trx, items: readonly string[]): Promise<void> {
  await sql`
    update work_item set head_start_s = head_start_s + ${RETURNED_BOOST_S}::int,
      rank_at = rank_at - make_interval(secs => ${RETURNED_BOOST_S}::int)
    where id = any(${items}::uuid[])`.execute(trx)
}
