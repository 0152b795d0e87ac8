import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { lockLoads, writeLoads } from './load-store.js'
import type { Item } from './work-store.js'

type Trx = Transaction<Tables>

const columns = sql.raw(`w.id, w.conversation_id as conversation, w.channel, w.channel_kind as "channelKind", w.queue,
  w.state, w.priority, w.units, w.assignee, w.epoch`)

/**
 * Work in hand of this kind that has waited for its customer so long, by the database's clock, and still counts in full.
 * Locks the items by id; those in somebody else's hands are left for the next sweep.
 */
export async function lockIdle(
  trx: Trx,
  of: { readonly kind: string; readonly minutes: number; readonly units: number; readonly limit: number },
): Promise<readonly Item[]> {
  const { rows } = await sql<Item>`
    select ${columns} from work_item w join conversation c on c.id = w.conversation_id
      join offer o on o.item_id = w.id and o.state = 'accepted'
    where w.state = 'assigned' and o.channel_kind = ${of.kind} and o.full_units is null and o.units > ${of.units}
      and c.waiting_since is null and c.last_message_at < clock_timestamp() - make_interval(mins => ${of.minutes}::int)
    order by w.id limit ${of.limit} for no key update of w skip locked`.execute(trx)
  return rows
}

/** Work that counts less and whose customer has written again. Locks the items by id, waiting for none. */
export async function lockAnswered(trx: Trx, limit: number): Promise<readonly Item[]> {
  const { rows } = await sql<Item>`
    select ${columns} from offer o join work_item w on w.id = o.item_id join conversation c on c.id = w.conversation_id
    where o.state = 'accepted' and o.full_units is not null and c.waiting_since is not null
    order by w.id limit ${limit} for no key update of w skip locked`.execute(trx)
  return rows
}

export interface Reweighed {
  readonly offer: string
  readonly item: string
  readonly agent: string
  readonly units: number
  readonly from: number
}

/** The offers of these items, and with them their agents' loads, in one transaction. The items' locks are held. */
export async function setIdleUnits(trx: Trx, items: readonly string[], units: number): Promise<readonly Reweighed[]> {
  const { rows } = await sql<Reweighed>`
    update offer set full_units = units, units = ${units}
    where item_id = any(${items}::uuid[]) and state = 'accepted' and full_units is null
    returning id as offer, item_id as item, agent_id as agent, units, full_units as from`.execute(trx)
  await moveLoads(trx, rows)
  return rows
}

/** Back to what they count in full, whether or not it fits: the work stays where it is. */
export async function setFullUnits(trx: Trx, items: readonly string[]): Promise<readonly Reweighed[]> {
  const { rows } = await sql<Reweighed>`
    with before as (
      select id, units from offer where item_id = any(${items}::uuid[]) and state = 'accepted' and full_units is not null
    )
    update offer o set units = o.full_units, full_units = null, reactivated_at = clock_timestamp()
    from before where o.id = before.id
    returning o.id as offer, o.item_id as item, o.agent_id as agent, o.units, before.units as from`.execute(trx)
  await moveLoads(trx, rows)
  return rows
}

async function moveLoads(trx: Trx, changed: readonly Reweighed[]): Promise<void> {
  const loads = await lockLoads(
    trx,
    changed.map((one) => one.agent),
  )
  for (const one of changed) {
    const load = loads.get(one.agent)
    if (load !== undefined) load.active += one.units - one.from
  }
  await writeLoads(trx, loads.values())
}

export async function anyIdle(db: Kysely<Tables>): Promise<boolean> {
  const { rows } = await sql`
    select 1 from offer where state = 'accepted' and full_units is not null limit 1`.execute(db)
  return rows.length > 0
}
