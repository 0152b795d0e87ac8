import { sql, type Transaction } from 'kysely'
import type { Tables } from './tables.js'

/**
 * What conversations keep about their messages, told anew from the messages after some of them moved. The caller holds the
 * rows' locks. `waiting_since` only ever shrinks to the messages that are left: who waited still waits, since the oldest
 * unanswered message that is here.
 */
export async function retellConversations(trx: Transaction<Tables>, ids: readonly string[]): Promise<void> {
  await sql`
    update conversation c set version = c.version + 1,
      last_message_at = coalesce(x.last, c.last_message_at, c.created_at),
      last_inbound_at = x.inbound,
      last_touchpoint = coalesce(x.wrote_on, x.spoke_on,
        (select t.id from touchpoint t where t.id = c.last_touchpoint and t.conversation_id = c.id)),
      waiting_since = x.waiting
    from (
      select k.id, max(m.provider_at) as last, max(m.at) filter (where m.direction = 'in') as inbound,
        min(m.at) filter (where m.direction = 'in' and not m.automatic and m.at >= k.waiting_since) as waiting,
        (array_agg(m.touchpoint_id order by m.provider_at desc, m.id desc) filter (where m.direction = 'in'))[1] as wrote_on,
        (array_agg(m.touchpoint_id order by m.provider_at desc, m.id desc) filter (where m.touchpoint_id is not null))[1]
          as spoke_on
      from conversation k left join message m on m.conversation_id = k.id and m.direction <> 'note'
      where k.id = any(${ids}::uuid[]) group by k.id
    ) x where c.id = x.id`.execute(trx)
}
