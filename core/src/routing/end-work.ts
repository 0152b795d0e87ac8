import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import type { WorkEnd } from './contract.js'
import { count, lockLoads, writeLoads } from './load-store.js'
import { agentsOf, closePending, endAccepted, liveOffer, pendingOfItem } from './offer-store.js'
import { closedEvents, workEvent, type Cause } from './work-events.js'
import { beginWrap, finishWraps, wrapUpSeconds, type WrapDeps } from './wrap-up.js'
import { lockLiveItem, setEnded, type Item } from './work-store.js'

type Trx = Transaction<Tables>

/**
 * Takes an item out of everybody's hands: a pending offer is rescinded, an accepted one ended; units are released. The
 * item itself is left to the caller. Locks: item (held), loads in the order of agents, those of `also` among them.
 */
export async function freeItem(
  trx: Trx,
  item: Item,
  how: {
    readonly accepted: string
    readonly pending: 'rescinded' | 'cancelled'
    readonly reason: string
    readonly also?: readonly string[]
  },
  by: Cause,
): Promise<{ readonly events: readonly NewEvent[]; readonly holder: string | null }> {
  const pending = await pendingOfItem(trx, item.id)
  const held = await liveOffer(trx, item.id)
  const agents = [...(await agentsOf(trx, pending)), ...(held === null ? [] : [held.agent]), ...(how.also ?? [])]
  await lockLoads(trx, agents)
  const closed = await closePending(trx, { offers: pending, state: how.pending, reason: how.reason, keepItems: true })
  if (held !== null) {
    await endAccepted(trx, held.id, how.accepted, how.reason)
    const loads = await lockLoads(trx, [held.agent])
    for (const load of loads.values()) {
      load.active -= held.units
      count(load, held.channelKind, -1)
    }
    await writeLoads(trx, loads.values())
  }
  const events = closedEvents(
    how.pending === 'cancelled' ? 'offer.cancelled' : 'offer.rescinded',
    closed,
    how.reason,
    by,
    false,
  )
  return { events, holder: held?.agent ?? null }
}

/**
 * Ends the live item inside the caller's transaction; the caller holds the conversation's lock and wakes afterwards. Where
 * the queue has a wrap-up, an agent's end begins it; only `early` ends a wrap-up before its time.
 */
export async function endWork(
  trx: Trx,
  deps: WrapDeps,
  conversation: string,
  as: WorkEnd,
  by: Cause,
  { disposition = null, early = false }: { readonly disposition?: string | null; readonly early?: boolean } = {},
): Promise<readonly NewEvent[]> {
  const item = await lockLiveItem(trx, conversation)
  if (item === null) return []
  if (as === 'done' && item.state === 'wrapping') return early ? finishWraps(trx, [item.id], by, disposition) : []
  const seconds = as === 'done' && item.state === 'assigned' ? wrapUpSeconds(deps, item, by) : 0
  if (seconds > 0) return beginWrap(trx, deps, item, { seconds, disposition, by })
  const freed = await freeItem(trx, item, { accepted: 'completed', pending: 'cancelled', reason: as }, by)
  // What nobody had taken yet was not handled, whoever says that it is over.
  const state = as === 'done' && freed.holder === null ? 'cancelled' : as
  await setEnded(trx, item.id, state)
  const type = state === 'abandoned' ? 'work.abandoned' : 'work.completed'
  return [...freed.events, workEvent(type, item, by, { outcome: state, agent: freed.holder, disposition })]
}
