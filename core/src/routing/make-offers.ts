import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Jobs } from '../jobs/contract.js'
import type { Tables } from '../store/tables.js'
import { insertOffers } from './offer-store.js'
import { offerEvent, SYSTEM, type Cause } from './work-events.js'
import { setOffered } from './work-store.js'

export interface MakeOfferDeps {
  readonly ids: Ids
  readonly jobs: Pick<Jobs, 'add'>
}

/** Somebody to ask about an item whose lock is held and whose units are reserved. */
export interface Proposal {
  readonly item: string
  readonly conversation: string
  readonly agent: string
  readonly epoch: number
  readonly units: number
  readonly channel: string
  readonly channelKind: string
  readonly queue: string
  readonly priority: string
  readonly seconds: number
  readonly reason: string | null
  /** Others are asked at the same time. */
  readonly broadcast?: boolean
  /** The agent does not speak the customer's language well enough: show a translation. */
  readonly translate?: boolean
}

export const EXPIRE_TASK = 'offer.expire'
const LATE_MS = 20

/** Offer, item, job and event together. Items' locks are held; each item's epoch moves on by one. */
export async function makeOffers(
  trx: Transaction<Tables>,
  deps: MakeOfferDeps,
  proposals: readonly Proposal[],
  by: Cause = SYSTEM,
): Promise<readonly NewEvent[]> {
  const offers = proposals.map((one) => ({
    ...one,
    id: deps.ids(),
    state: 'pending' as const,
    forced: false,
    epoch: one.epoch + 1,
    newIn: one.queue,
  }))
  const expires = await insertOffers(trx, offers)
  await setOffered(
    trx,
    offers.map((offer) => offer.item),
  )
  const at = (id: string): Date => expires.get(id) ?? new Date(0)
  // A hint only: the row and the sweep decide. A moment late, so that it does not come before the row's own time.
  await deps.jobs.add(
    trx,
    offers.map((offer) => ({
      task: EXPIRE_TASK,
      payload: { offer: offer.id },
      key: `offer:${offer.id}`,
      runAt: new Date(at(offer.id).getTime() + LATE_MS),
    })),
  )
  return offers.map((offer) =>
    offerEvent('offer.created', offer, by, {
      item: offer.item,
      channel: offer.channel,
      queue: offer.queue,
      priority: offer.priority,
      units: offer.units,
      ...(offer.translate === true ? { translate: true } : {}),
      expiresAt: at(offer.id).toISOString(),
    }),
  )
}
