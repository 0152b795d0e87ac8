import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** New items that agents are offered now or have accepted within the window. The database's clock decides. */
export async function readTaken(
  trx: Transaction<Tables>,
  shares: readonly { readonly queue: string; readonly minutes: number }[],
  agents: readonly string[],
): Promise<readonly { readonly queue: string; readonly agent: string; readonly taken: number }[]> {
  const { rows } = await sql<{ queue: string; agent: string; taken: number }>`
    select s.queue, o.agent_id as agent, count(*)::int as taken
    from unnest(${shares.map((share) => share.queue)}::text[], ${shares.map((share) => share.minutes)}::int[])
        as s(queue, minutes)
      cross join lateral (
        select agent_id from offer where new_in = s.queue and agent_id = any(${agents}::text[])
          and accepted_at > now() - make_interval(mins => s.minutes)
        union all
        select agent_id from offer where new_in = s.queue and agent_id = any(${agents}::text[]) and state = 'pending'
      ) o
    group by s.queue, o.agent_id`.execute(trx)
  return rows
}

/** Classes of waiting items in which some are not new: they come on top of a share. */
export async function classesAgain(
  trx: Transaction<Tables>,
  queues: readonly string[],
): Promise<readonly { readonly queue: string; readonly class: number }[]> {
  const { rows } = await sql<{ queue: string; class: number }>`
    select distinct queue, class from work_item
    where state = 'queued' and was_taken and queue = any(${queues}::text[])`.execute(trx)
  return rows
}
