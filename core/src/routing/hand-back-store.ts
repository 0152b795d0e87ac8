import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { count, lockLoads, writeLoads } from './load-store.js'
import type { Item } from './work-store.js'

type Trx = Transaction<Tables>

export interface InHand {
  readonly conversations: readonly string[]
  /** Accepted offers. */
  readonly offers: readonly string[]
  /** Offers the agent has not answered. */
  readonly pending: readonly string[]
}

/**
 * What an agent has in hand, of some kinds of channel (null: of all). Locks conversations by id, then items by id, the
 * pending ones among them, so that everything that follows keeps the order of locks.
 */
export async function lockInHand(trx: Trx, agent: string, kinds: readonly string[] | null): Promise<InHand> {
  const { rows: held } = await sql<{ conversation: string }>`
    select conversation_id as conversation from offer where agent_id = ${agent} and state = 'accepted'
      and (${kinds}::text[] is null or channel_kind = any(${kinds}::text[]))`.execute(trx)
  const conversations = held.map((row) => row.conversation)
  await sql`
    select id from conversation where id = any(${conversations}::uuid[]) order by id for no key update`.execute(trx)
  await sql`
    select id from work_item where id in (select item_id from offer where agent_id = ${agent}
      and (state = 'pending' or (state = 'accepted' and conversation_id = any(${conversations}::uuid[]))))
    order by id for no key update`.execute(trx)
  // Read again under the locks: meanwhile something may have been completed or moved.
  const { rows } = await sql<{ id: string; state: string; conversation: string }>`
    select id, state, conversation_id as conversation from offer where agent_id = ${agent}
      and (state = 'pending' or (state = 'accepted' and conversation_id = any(${conversations}::uuid[])))`.execute(trx)
  const of = (state: string) => rows.filter((row) => row.state === state)
  return {
    conversations: of('accepted').map((row) => row.conversation),
    offers: of('accepted').map((row) => row.id),
    pending: of('pending').map((row) => row.id),
  }
}

/** Accepted offers end as `released`; their units are given back. The items' locks are held. Lock: the agent's load. */
export async function releaseOffers(trx: Trx, agent: string, offers: readonly string[], reason: string): Promise<void> {
  if (offers.length === 0) return
  const { rows } = await sql<{ units: number; kind: string }>`
    update offer set state = 'released', reason = ${reason}, decided_at = clock_timestamp()
    where id = any(${offers}::uuid[]) and state = 'accepted' returning units, channel_kind as kind`.execute(trx)
  const loads = await lockLoads(trx, [agent])
  for (const load of loads.values()) {
    for (const row of rows) {
      load.active -= row.units
      count(load, row.kind, -1)
    }
  }
  await writeLoads(trx, loads.values())
}

/** Assigned items wait again at the place they had; their conversations belong to nobody. Both are locked. */
export async function requeueAssigned(
  trx: Trx,
  agent: string,
  conversations: readonly string[],
): Promise<readonly (Item & { readonly version: number })[]> {
  if (conversations.length === 0) return []
  const { rows } = await sql<Item & { version: number }>`
    with back as (
      update work_item set state = 'queued', assignee = null, epoch = epoch + 1, queued_at = now(), held_until = null,
        waiting_reason = null
      where conversation_id = any(${conversations}::uuid[]) and state = 'assigned' and assignee = ${agent}
      returning id, conversation_id, channel, channel_kind, queue, state, priority, units, assignee, epoch
    ), freed as (
      update conversation c set assignee = null, version = c.version + 1 from back where c.id = back.conversation_id
      returning c.id, c.version
    )
    select b.id, b.conversation_id as conversation, b.channel, b.channel_kind as "channelKind", b.queue, b.state,
      b.priority, b.units, b.assignee, b.epoch, f.version
    from back b join freed f on f.id = b.conversation_id order by b.id`.execute(trx)
  return rows
}
