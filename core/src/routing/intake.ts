import type { Plan } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { NewWorkItem, SettledDecision } from './contract.js'
import { applyPlan, recordSettled } from './settle-store.js'
import { transact, type TransactDeps } from './transact.js'
import { headStart, unitsOf } from './units.js'
import { SYSTEM, workEvent } from './work-events.js'
import { insertItems, lockItem, setEnded, type ItemInput } from './work-store.js'

/** An item held for an answer that never comes, because its node died, is queued by the sweep after this. */
const PENDING_S = 5

export function toInput(item: NewWorkItem, config: Config): ItemInput {
  const { plan, held } = item
  return {
    id: item.id,
    conversation: item.conversation,
    channel: item.channel,
    channelKind: item.channelKind,
    queue: knownQueue(plan, config),
    state: held === null ? 'queued' : 'held',
    reason: held?.reason ?? null,
    heldUntil: held?.until?.toISOString() ?? null,
    heldSeconds: held !== null && held.until === null && held.reason === 'routing' ? PENDING_S : null,
    priority: plan.priority,
    headStartS: headStart(plan.priority, plan.headStartS),
    units: unitsOf(item.channelKind),
    preferred: item.preferred,
    plan,
    planVersion: item.planVersion,
    slaPolicy: plan.slaPolicy ?? null,
    tags: plan.tags ?? [],
  }
}

/** The last floor: an item in a queue nobody has would wait for ever. */
function knownQueue(plan: Plan, config: Config): string {
  return config.queues.some((queue) => queue.id === plan.queue) ? plan.queue : config.defaultQueue
}

/** Inside the drain's transaction, which holds the conversations' locks. One statement; one live item a conversation. */
export async function enqueue(
  trx: Transaction<Tables>,
  items: readonly NewWorkItem[],
  config: Config,
): Promise<readonly NewEvent[]> {
  if (items.length === 0) return []
  const written = await insertItems(
    trx,
    items.map((item) => toInput(item, config)),
  )
  return written.map((item) => workEvent(item.state === 'held' ? 'work.held' : 'work.queued', item, SYSTEM))
}

export interface SettleDeps extends TransactDeps {
  readonly config: Config
  readonly ids: Ids
}

/**
 * A pending decision has come: it replaces the plan the item was stored with. Lock: item. Only an item still held for this
 * answer is changed, so a late or repeated call does nothing. Answers the queue to wake, or null.
 */
export async function settle(deps: SettleDeps, id: string, decided: SettledDecision): Promise<string | null> {
  return transact(deps, async (trx, emit) => {
    const item = await lockItem(trx, id)
    if (item === null || item.state !== 'held') return null
    const { work } = decided
    const input =
      work === null
        ? null
        : toInput(
            {
              ...item,
              channelKind: item.channelKind as NewWorkItem['channelKind'],
              ...work,
              planVersion: decided.version,
            },
            deps.config,
          )
    if (input === null) await setEnded(trx, id, 'cancelled')
    else if (!(await applyPlan(trx, input))) return null
    await recordSettled(trx, deps.ids(), id, decided)
    const now = await lockItem(trx, id)
    if (now === null) return null
    emit([
      input === null
        ? workEvent('work.completed', now, SYSTEM, { outcome: 'cancelled' })
        : workEvent(now.state === 'held' ? 'work.held' : 'work.queued', now, SYSTEM),
    ])
    return now.state === 'queued' ? now.queue : null
  })
}
