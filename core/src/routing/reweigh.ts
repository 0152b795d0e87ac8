import type { Config } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import { anyIdle, lockAnswered, lockIdle, setFullUnits, setIdleUnits, type Reweighed } from './reweigh-store.js'
import { transact, type TransactDeps } from './transact.js'
import { SYSTEM, workEvent } from './work-events.js'
import type { Item } from './work-store.js'

export interface ReweighDeps extends TransactDeps {
  readonly config: Pick<Config, 'workforce'>
  readonly wake: (queues?: readonly string[]) => void
}

export interface Reweigh {
  /** By the database's clock: what has waited long enough counts less, what is answered counts in full. */
  sweep(signal?: AbortSignal): Promise<void>
  /** Whether a customer's message can bring anything back to full units, as of the last sweep of this node. */
  readonly any: boolean
  /** Customers have written: what counts less of theirs counts in full. */
  reactivate(signal?: AbortSignal): Promise<void>
}

/** The only sort of work where days may pass between two messages and nobody sits and waits. */
const KIND = 'messaging'
const IDLE_MINUTES = 10
const IDLE_UNITS = 5
const PAGE = 500

/** Messages that wait for the customer take less of their agent. Locks of both ways: items by id, offers, loads by agent. */
export function createReweigh(deps: ReweighDeps): Reweigh {
  const minutes = deps.config.workforce?.idleMinutes ?? IDLE_MINUTES
  const units = deps.config.workforce?.idleUnits ?? IDLE_UNITS
  let any = true

  const all = async (page: () => Promise<number>, signal: AbortSignal | undefined): Promise<number> => {
    for (let total = 0; ;) {
      const found = await page()
      total += found
      if (found < PAGE || signal?.aborted === true) return total
    }
  }
  const lighten = () =>
    transact(deps, async (trx, emit) => {
      const items = await lockIdle(trx, { kind: KIND, minutes, units, limit: PAGE })
      if (items.length === 0) return 0
      emit(events(items, await setIdleUnits(trx, idsOf(items), units), 'waiting_for_customer'))
      return items.length
    })
  const restore = () =>
    transact(deps, async (trx, emit) => {
      const items = await lockAnswered(trx, PAGE)
      if (items.length === 0) return 0
      emit(events(items, await setFullUnits(trx, idsOf(items)), 'reactivated'))
      return items.length
    })
  const reactivate = async (signal?: AbortSignal): Promise<void> => void (await all(restore, signal))

  return {
    async sweep(signal) {
      await reactivate(signal)
      const freed = minutes === 0 ? 0 : await all(lighten, signal)
      any = freed > 0 || (await anyIdle(deps.db))
      if (freed > 0) deps.wake()
    },
    get any() {
      return any
    },
    reactivate,
  }
}

function idsOf(items: readonly Item[]): readonly string[] {
  return items.map((item) => item.id)
}

function events(items: readonly Item[], changed: readonly Reweighed[], reason: string): readonly NewEvent[] {
  const of = new Map(items.map((item) => [item.id, item]))
  return changed.flatMap(({ item, offer, agent, units, from }) => {
    const known = of.get(item)
    return known === undefined
      ? []
      : [workEvent('work.reweighed', known, SYSTEM, { agent, offerId: offer, units, from, reason })]
  })
}
