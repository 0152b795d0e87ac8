import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { lockInHand, releaseOffers, requeueAssigned } from './hand-back-store.js'
import { closePending } from './offer-store.js'
import { closedEvents, workEvent, type Cause } from './work-events.js'

/**
 * An agent puts down everything of some kinds of channel (null: of all): unanswered offers go to others, accepted work is
 * queued again at the place it had. All of it in the caller's transaction, which holds the agent's presence lock. Locks:
 * conversations, items, offers, the agent's load. Running it twice finds nothing the second time.
 */
export async function handBack(
  trx: Transaction<Tables>,
  agent: string,
  kinds: readonly string[] | null,
  reason: string,
  by: Cause,
): Promise<{ readonly events: readonly NewEvent[]; readonly queues: readonly string[] }> {
  const held = await lockInHand(trx, agent, kinds)
  const closed = await closePending(trx, { offers: held.pending, state: 'rescinded', reason })
  await releaseOffers(trx, agent, held.offers, reason)
  const items = await requeueAssigned(trx, agent, held.conversations)
  return {
    events: [
      ...closedEvents('offer.rescinded', closed, reason, by),
      ...items.flatMap((item) => [
        workEvent('work.unassigned', item, by, { agent, reason, version: item.version }),
        workEvent('work.queued', item, by, { after: 'work.unassigned' }),
      ]),
    ],
    queues: [...new Set([...closed, ...items].map((one) => one.queue))],
  }
}
