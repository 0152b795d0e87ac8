import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** What an agent without a connection holds in one queue, in channels where the customer does not sit and wait. */
export interface AbsentOwner {
  readonly agent: string
  readonly queue: string
  /** When they were last there. */
  readonly since: Date
  readonly goneS: number
}

export async function absentOwners(db: Kysely<Tables>, realTime: readonly string[]): Promise<readonly AbsentOwner[]> {
  const { rows } = await sql<AbsentOwner>`
    with absent as (
      select p.agent_id, coalesce(max(s.lost_at), p.changed_at) as since
      from agent_presence p left join presence_session s on s.agent_id = p.agent_id
      where not exists (select 1 from presence_session l where l.agent_id = p.agent_id and l.lost_at is null
        and l.lease_until > clock_timestamp())
      group by p.agent_id, p.changed_at
    )
    select a.agent_id as agent, w.queue, a.since, extract(epoch from clock_timestamp() - a.since)::float8 as "goneS"
    from absent a join offer o on o.agent_id = a.agent_id and o.state = 'accepted'
      and o.channel_kind <> all(${realTime}::text[])
    join work_item w on w.id = o.item_id
    group by a.agent_id, w.queue, a.since order by a.agent_id, w.queue`.execute(db)
  return rows
}

/** Their conversations in that queue; `wroteAt`: the customer has written since and nobody has answered. */
export async function ownedBy(
  db: Kysely<Tables>,
  owner: AbsentOwner,
  realTime: readonly string[],
): Promise<readonly { readonly conversation: string; readonly wroteAt: Date | null }[]> {
  const { rows } = await sql<{ conversation: string; wroteAt: Date | null }>`
    select o.conversation_id as conversation,
      case when c.waiting_since is not null and c.last_inbound_at > ${owner.since} then c.last_inbound_at end as "wroteAt"
    from offer o join work_item w on w.id = o.item_id join conversation c on c.id = o.conversation_id
    where o.agent_id = ${owner.agent} and o.state = 'accepted' and w.queue = ${owner.queue}
      and o.channel_kind <> all(${realTime}::text[])
    order by o.conversation_id`.execute(db)
  return rows
}
