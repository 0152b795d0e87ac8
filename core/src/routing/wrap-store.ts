import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { count, lockLoads, writeLoads } from './load-store.js'
import type { Item } from './work-store.js'

type Trx = Transaction<Tables>

/** assigned → wrapping, the offer with it; units stay where they are. The item's lock is held. Answers when it ends. */
export async function setWrapping(trx: Trx, item: string, seconds: number, disposition: string | null): Promise<Date> {
  const { rows } = await sql<{ until: Date }>`
    with wrapped as (
      update work_item w set state = 'wrapping', epoch = w.epoch + 1, wrap_disposition = ${disposition},
        wrap_until = clock_timestamp() + make_interval(secs => ${seconds}::int), wrap_inbound_at = c.last_inbound_at
      from conversation c where w.id = ${item} and c.id = w.conversation_id
      returning w.id, w.wrap_until
    ), held as (
      update offer o set state = 'wrapping' from wrapped w where o.item_id = w.id and o.state = 'accepted'
    )
    select wrap_until as until from wrapped`.execute(trx)
  return rows[0]?.until ?? new Date(0)
}

/** A wrap-up that ends, or that a customer's new message turns into work again. */
export interface Wrapped {
  readonly id: string
  readonly again: boolean
}

/**
 * Items whose wrap-up is over by the database's clock, or whose customer has written since. Locks them by id; those in
 * somebody else's hands are left for the next sweep.
 */
export async function lockWrapped(trx: Trx, limit: number): Promise<readonly Wrapped[]> {
  const again = sql.raw(`(c.waiting_since is not null and c.status <> 'resolved'
    and c.last_inbound_at > coalesce(w.wrap_inbound_at, '-infinity'))`)
  const { rows } = await sql<Wrapped>`
    select w.id, ${again} as again from work_item w join conversation c on c.id = w.conversation_id
    where w.state = 'wrapping' and (w.wrap_until <= clock_timestamp() or ${again})
    order by w.id limit ${limit} for no key update of w skip locked`.execute(trx)
  return rows
}

type WrapEnd = Item & { readonly agent: string | null; readonly disposition: string | null }

const columns = sql.raw(`w.id, w.conversation_id as conversation, w.channel, w.channel_kind as "channelKind", w.queue,
  w.state, w.priority, w.units, w.assignee, w.epoch, w.assignee as agent, w.wrap_disposition as disposition`)

/** wrapping → done, the offers completed, their units released. The items' locks are held. Locks: offers, loads by agent. */
export async function setWrapped(
  trx: Trx,
  items: readonly string[],
  disposition: string | null,
): Promise<readonly WrapEnd[]> {
  const { rows: offers } = await sql<{ agent: string; units: number; kind: string }>`
    update offer set state = 'completed', reason = 'done', decided_at = clock_timestamp()
    where item_id = any(${items}::uuid[]) and state = 'wrapping'
    returning agent_id as agent, units, channel_kind as kind`.execute(trx)
  const { rows } = await sql<WrapEnd>`
    update work_item w set state = 'done', epoch = w.epoch + 1, ended_at = now(), wrap_until = null,
      wrap_disposition = coalesce(${disposition}::text, w.wrap_disposition)
    where w.id = any(${items}::uuid[]) and w.state = 'wrapping' returning ${columns}`.execute(trx)
  const loads = await lockLoads(
    trx,
    offers.map((offer) => offer.agent),
  )
  for (const offer of offers) {
    const load = loads.get(offer.agent)
    if (load === undefined) continue
    load.active -= offer.units
    count(load, offer.kind, -1)
  }
  await writeLoads(trx, loads.values())
  return rows
}

/** wrapping → assigned, to the agent who has it still. The items' locks are held. */
export async function takeUpAgain(trx: Trx, items: readonly string[]): Promise<readonly (Item & { offer: string })[]> {
  const { rows } = await sql<Item & { offer: string }>`
    with back as (
      update offer set state = 'accepted' where item_id = any(${items}::uuid[]) and state = 'wrapping' returning id, item_id
    )
    update work_item w set state = 'assigned', epoch = w.epoch + 1, wrap_until = null, wrap_disposition = null
    from back where w.id = back.item_id returning ${columns}, back.id as offer`.execute(trx)
  return rows
}
