import { ThroughlineError } from '../errors.js'
import type { Within } from './contract.js'
import { lockLoads, writeLoads } from './load-store.js'
import {
  acceptPending,
  agentsOf,
  closePending,
  findOffer,
  markPresented,
  overdueOffers,
  pendingOfItem,
  type Offer,
} from './offer-store.js'
import { transact, type TransactDeps } from './transact.js'
import { byAgent, closedEvents, offerEvent, SYSTEM, workEvent } from './work-events.js'
import { lockConversation, lockItem, place, setAssigned } from './work-store.js'

export interface OfferDeps extends TransactDeps {
  /** These queues may have something routable now. */
  readonly wake: (queues: readonly string[]) => void
  /** These agents let offers pass in a row. */
  readonly missed: (agents: readonly string[]) => void
}

/** An agent who declined is not asked again about this item for so long. */
const DECLINE_EXCLUDES_S = 120
/** So many offers let pass in a row, and the agent counts as away. */
export const MISSES_TO_AWAY = 2

/**
 * One winner. Locks conversation, item, offer, load. Against another acceptance or the expiry the item's lock decides who
 * is first; the other then finds the offer no longer pending. The key to idempotency is the offer's state.
 */
export async function acceptOffer(
  deps: TransactDeps,
  id: string,
  agent: string,
  cause: string,
  within?: Within,
): Promise<{ readonly conversation: string }> {
  const by = byAgent(agent, cause)
  let answer: { readonly conversation: string } | undefined
  return transact(
    deps,
    async (trx, emit) => {
      const found = await ownOffer(trx, id, agent)
      await lockConversation(trx, found.conversation)
      const item = await lockItem(trx, found.item)
      if (item === null || !(await acceptPending(trx, id, agent))) throw lost(await findOffer(trx, id))
      const others = await pendingOfItem(trx, item.id)
      if (others.length > 0) await lockLoads(trx, [agent, ...(await agentsOf(trx, others))])
      const closed = await closePending(trx, { offers: others, state: 'rescinded', reason: 'taken', keepItems: true })
      await setAssigned(trx, item.id, agent)
      const version = await place(trx, item.conversation, { queue: item.queue, assignee: agent })
      const loads = await lockLoads(trx, [agent])
      for (const load of loads.values()) {
        load.reserved -= found.units
        load.active += found.units
        load.misses = 0
        load.assigned = true
      }
      await writeLoads(trx, loads.values())
      emit(closedEvents('offer.rescinded', closed, 'taken', SYSTEM, false))
      emit([
        offerEvent('offer.accepted', found, by),
        workEvent('work.assigned', item, by, { agent, offerId: id, version }),
      ])
      return (answer = { conversation: item.conversation })
    },
    // A repeated command gets the same answer.
    within === undefined ? undefined : (trx) => within(trx, answer),
  )
}

/** The item goes back to the place it had, and to somebody else. Locks item, offer, load. */
export async function declineOffer(
  deps: OfferDeps,
  id: string,
  agent: string,
  reason: string | null,
  cause: string,
  within?: Within,
): Promise<void> {
  await transact(
    deps,
    async (trx, emit) => {
      await ownOffer(trx, id, agent)
      const closed = await closePending(trx, {
        offers: [id],
        state: 'declined',
        reason,
        excludeSeconds: DECLINE_EXCLUDES_S,
      })
      if (closed.length === 0) throw lost(await findOffer(trx, id))
      emit(closedEvents('offer.declined', closed, reason, byAgent(agent, cause)))
    },
    within,
  )
  // The agent has room again, for whatever comes first in all the queues they serve.
  deps.wake([])
}

/** A console has shown the offer. Said again, or too late, it changes nothing. */
export async function presentOffer(deps: TransactDeps, id: string, agent: string): Promise<void> {
  await transact(deps, async (trx, emit) => {
    const offer = await markPresented(trx, id, agent)
    if (offer !== null) emit([offerEvent('offer.presented', offer, { actor: { kind: 'agent', id: agent } })])
  })
}

/**
 * Ends offers whose time has passed by the database's clock; `ids` narrows it to those a job names. Locks items (those in
 * use are left for the next sweep), offers, loads. Running twice acts once: an offer expires out of `pending` only.
 */
export async function expireOffers(deps: OfferDeps, ids?: readonly string[]): Promise<number> {
  const offers = ids ?? (await overdueOffers(deps.db, 500))
  if (offers.length === 0) return 0
  const closed = await transact(deps, async (trx, emit) => {
    const ended = await closePending(trx, {
      offers,
      state: 'expired',
      reason: 'timeout',
      overdue: true,
      skipLocked: ids === undefined,
    })
    emit(closedEvents('offer.expired', ended, 'timeout', SYSTEM))
    return ended
  })
  if (closed.length === 0) return 0
  deps.missed([...new Set(closed.filter((offer) => offer.missed).map((offer) => offer.agent))])
  deps.wake([])
  return closed.length
}

async function ownOffer(trx: Parameters<typeof findOffer>[0], id: string, agent: string): Promise<Offer> {
  const offer = await findOffer(trx, id)
  if (offer !== null && offer.agent === agent) return offer
  throw new ThroughlineError(
    'TL_COMMAND_NOT_FOUND',
    `there is no offer ${id} for agent ${agent}; read the open offers again`,
    {
      details: { offer: id },
    },
  )
}

/** Why an offer can no longer be decided. */
function lost(offer: Offer | null): ThroughlineError {
  const details = { offer: offer?.id, state: offer?.state, reason: offer?.reason }
  const taken = offer?.state === 'accepted' || (offer?.state === 'rescinded' && offer.reason === 'taken')
  if (taken) return new ThroughlineError('TL_OFFER_ALREADY_TAKEN', 'the offer was taken already', { details })
  const how = offer?.state === 'pending' ? 'expired' : (offer?.state ?? 'gone')
  const message = `the offer is no longer open (${how}${offer?.reason ? `, ${offer.reason}` : ''}); wait for the next one`
  return new ThroughlineError('TL_OFFER_EXPIRED', message, { details })
}
