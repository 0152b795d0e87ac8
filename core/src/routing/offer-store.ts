import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { OfferView } from './contract.js'
import { count, lockLoads, writeLoads } from './load-store.js'

export interface Offer {
  readonly id: string
  readonly item: string
  readonly conversation: string
  readonly agent: string
  readonly state: string
  readonly reason: string | null
  readonly units: number
  readonly channelKind: string
  readonly expired: boolean
}

const columns = sql.raw(
  `id, item_id as item, conversation_id as conversation, agent_id as agent, state, reason, units,
   channel_kind as "channelKind", expires_at <= clock_timestamp() as expired`,
)

/** Without a lock: tells which conversation and item to lock. */
export async function findOffer(db: Kysely<Tables> | Transaction<Tables>, id: string): Promise<Offer | null> {
  const { rows } = await sql<Offer>`select ${columns} from offer where id = ${id}`.execute(db)
  return rows[0] ?? null
}

/** The item's lock is held; at most one. */
export async function liveOffer(trx: Transaction<Tables>, item: string): Promise<Offer | null> {
  const { rows } = await sql<Offer>`
    select ${columns} from offer where item_id = ${item} and state in ('accepted', 'wrapping')`.execute(trx)
  return rows[0] ?? null
}

/**
 * pending → accepted, if it is the agent's and its time has not passed by the database's clock. The item's lock is held,
 * and with it the order against expiry and against the other offers. Answers whether it happened.
 */
export async function acceptPending(trx: Transaction<Tables>, id: string, agent: string): Promise<boolean> {
  const { rows } = await sql`
    update offer set state = 'accepted', decided_at = clock_timestamp(), accepted_at = clock_timestamp()
    where id = ${id} and agent_id = ${agent} and state = 'pending' and expires_at > clock_timestamp()
    returning id`.execute(trx)
  return rows.length === 1
}

/** accepted → an end. The item's lock is held. */
export async function endAccepted(
  trx: Transaction<Tables>,
  id: string,
  state: string,
  reason: string | null,
): Promise<void> {
  await sql`
    update offer set state = ${state}, reason = ${reason}, decided_at = clock_timestamp()
    where id = ${id} and state in ('accepted', 'wrapping')`.execute(trx)
}

export interface NewOffer {
  readonly id: string
  readonly item: string
  readonly conversation: string
  readonly agent: string
  readonly state: 'pending' | 'accepted'
  readonly epoch: number
  readonly units: number
  readonly channelKind: string
  readonly forced: boolean
  readonly reason: string | null
  readonly seconds: number
  readonly broadcast?: boolean
  /** Counts for the fair share of this queue, if nobody has had the item yet; null or absent: it does not. */
  readonly newIn?: string | null
}

/** The items' locks are held. Answers when each offer expires, by the database's clock. */
export async function insertOffers(
  trx: Transaction<Tables>,
  offers: readonly NewOffer[],
): Promise<ReadonlyMap<string, Date>> {
  const { rows } = await sql<{ id: string; expires_at: Date }>`
    insert into offer (id, item_id, conversation_id, agent_id, state, epoch, units, channel_kind, forced, reason,
      broadcast, expires_at, decided_at, accepted_at, new_in)
    select id, item, conversation, agent, state, epoch, units, "channelKind", forced, reason,
      coalesce(broadcast, false), clock_timestamp() + make_interval(secs => seconds), case when state = 'accepted' then clock_timestamp() end,
      case when state = 'accepted' then clock_timestamp() end,
      case when "newIn" is not null and not (select w.was_taken from work_item w where w.id = r.item) then "newIn" end
    from jsonb_to_recordset(${JSON.stringify(offers)}::jsonb) as r(id uuid, item uuid, conversation uuid, agent text,
      state text, epoch int, units int, "channelKind" text, forced boolean, reason text, seconds double precision, broadcast boolean,
      "newIn" text)
    returning id, expires_at`.execute(trx)
  return new Map(rows.map((row) => [row.id, row.expires_at]))
}

/** An offer that ended without being accepted, with the item it sets free. */
export interface ClosedOffer {
  readonly id: string
  readonly item: string
  readonly conversation: string
  readonly agent: string
  readonly units: number
  readonly channelKind: string
  readonly queue: string
  readonly priority: string
  /** The agent let it pass while a console of theirs was connected; see `misses`. */
  readonly missed: boolean
  /** Its item waits again; of several offers of one item, one says so. */
  readonly requeued: boolean
}

export interface Closing {
  readonly offers: readonly string[]
  readonly state: 'declined' | 'expired' | 'rescinded' | 'cancelled'
  readonly reason: string | null
  /** Only those whose time has passed by the database's clock. */
  readonly overdue?: boolean
  /** Items somebody else has locked are left for the next sweep. */
  readonly skipLocked?: boolean
  /** The agent is not offered these items again for so long. */
  readonly excludeSeconds?: number
  /** The items stay as they are: the caller ends or places them. */
  readonly keepItems?: boolean
}

/**
 * Ends pending offers, gives their units back and their items back to the queue, at the rank they had. Set-based; the
 * write path of decline, expiry, rescission and cancellation. Locks: items by id, offers, loads by agent. An offer that is
 * no longer pending is left alone, so running it twice acts once.
 */
export async function closePending(trx: Transaction<Tables>, closing: Closing): Promise<readonly ClosedOffer[]> {
  if (closing.offers.length === 0) return []
  const skip = closing.skipLocked === true ? sql`skip locked` : sql``
  const { rows: items } = await sql<{ id: string }>`
    select id from work_item where id in (select item_id from offer where id = any(${closing.offers}::uuid[]))
    order by id for no key update ${skip}`.execute(trx)
  const overdue = closing.overdue === true ? sql`and o.expires_at <= clock_timestamp()` : sql``
  const { rows: closed } = await sql<Omit<ClosedOffer, 'requeued'>>`
    update offer o set state = ${closing.state}, reason = ${closing.reason}, decided_at = clock_timestamp()
    from work_item i
    where o.id = any(${closing.offers}::uuid[]) and o.item_id = any(${items.map((item) => item.id)}::uuid[])
      and i.id = o.item_id and o.state = 'pending' ${overdue}
    returning o.id, o.item_id as item, o.conversation_id as conversation, o.agent_id as agent, o.units,
      o.channel_kind as "channelKind", i.queue, i.priority,
      ${closing.state === 'expired'}::boolean and exists (select 1 from presence_session s where s.agent_id = o.agent_id
        and s.lost_at is null and s.lease_until > clock_timestamp()) as missed`.execute(trx)
  if (closed.length === 0) return []
  const queued =
    closing.keepItems === true
      ? new Set<string>()
      : await backToQueue(trx, closed, closing.excludeSeconds ?? 0, closing.state)
  await releaseReserved(trx, closed)
  return closed.map((offer) => ({ ...offer, requeued: queued.delete(offer.item) }))
}

/** Items none of whose offers is open any more wait again. Answers them. */
async function backToQueue(
  trx: Transaction<Tables>,
  closed: readonly Pick<ClosedOffer, 'item' | 'agent'>[],
  seconds: number,
  state: string,
): Promise<Set<string>> {
  // An agent who declined or let it pass is remembered even when not excluded: others are asked before them.
  const remember = state === 'declined' || state === 'expired'
  const { rows } = await sql<{ id: string; free: boolean }>`
    update work_item i set
      state = case when r.free then 'queued' else i.state end,
      assignee = null,
      epoch = i.epoch + r.free::int,
      queued_at = case when r.free then now() else i.queued_at end,
      waiting_reason = null,
      excluded = case when ${remember}::boolean then i.excluded || r.agents else i.excluded end
    from (
      select item, jsonb_object_agg(agent, to_jsonb(now() + make_interval(secs => ${seconds}::int))) as agents,
        not exists (select 1 from offer o where o.item_id = item and o.state = 'pending') as free
      from jsonb_to_recordset(${JSON.stringify(closed.map(({ item, agent }) => ({ item, agent })))}::jsonb)
        as c(item uuid, agent text)
      group by item
    ) r
    where i.id = r.item and i.state = 'offered' returning i.id, r.free`.execute(trx)
  return new Set(rows.filter((row) => row.free).map((row) => row.id))
}

async function releaseReserved(
  trx: Transaction<Tables>,
  closed: readonly Omit<ClosedOffer, 'requeued'>[],
): Promise<void> {
  const loads = await lockLoads(
    trx,
    closed.map((offer) => offer.agent),
  )
  for (const offer of closed) {
    const load = loads.get(offer.agent)
    if (load === undefined) continue
    load.reserved -= offer.units
    count(load, offer.channelKind, -1)
    if (offer.missed) load.misses += 1
  }
  await writeLoads(trx, loads.values())
}

export async function pendingOfItem(trx: Transaction<Tables>, item: string): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from offer where item_id = ${item} and state = 'pending'`.execute(trx)
  return rows.map((row) => row.id)
}

export async function pendingOfAgents(trx: Transaction<Tables>, agents: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from offer where agent_id = any(${agents}::text[]) and state = 'pending'`.execute(trx)
  return rows.map((row) => row.id)
}

export async function agentsOf(trx: Transaction<Tables>, offers: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ agent: string }>`
    select agent_id as agent from offer where id = any(${offers}::uuid[])`.execute(trx)
  return rows.map((row) => row.agent)
}

export async function overdueOffers(db: Kysely<Tables>, limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from offer where state = 'pending' and expires_at <= clock_timestamp()
    order by expires_at limit ${limit}`.execute(db)
  return rows.map((row) => row.id)
}

/** First sight of a pending offer on a console. True the first time. */
export async function markPresented(trx: Transaction<Tables>, id: string, agent: string): Promise<Offer | null> {
  const { rows } = await sql<Offer>`
    update offer set presented_at = clock_timestamp()
    where id = ${id} and agent_id = ${agent} and state = 'pending' and presented_at is null
    returning ${columns}`.execute(trx)
  return rows[0] ?? null
}

/** What waits for the agent's answer, by the database's clock. */
export async function offersOf(db: Kysely<Tables>, agent: string): Promise<readonly OfferView[]> {
  const { rows } = await sql<OfferView>`
    select id, conversation_id as conversation, agent_id as agent, state, channel_kind as "channelKind",
      expires_at as "expiresAt"
    from offer where agent_id = ${agent} and state = 'pending' and expires_at > clock_timestamp()
    order by created_at, id`.execute(db)
  return rows
}
