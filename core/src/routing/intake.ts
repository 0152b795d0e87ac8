import type { Plan } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import type { Jobs } from '../jobs/contract.js'
import type { NewWorkItem, SettledDecision } from './contract.js'
import { CLOSED, type Placing, type QueueHours } from './hours.js'
import { OPEN_TASK } from './opening.js'
import { databaseNow } from './opening-store.js'
import { giveBack, type ReturnDeps } from './returning.js'
import { applyPlan, recordSettled } from './settle-store.js'
import { transact, type TransactDeps } from './transact.js'
import { headStart, REAL_TIME, strictHeadStart, unitsOf } from './units.js'
import { SYSTEM, workEvent } from './work-events.js'
import { insertItems, lockItem, setEnded, type ItemInput } from './work-store.js'

/** An item held for an answer that never comes, because its node died, is queued by the sweep after this. */
const PENDING_S = 5
/** A moment late, so that a job does not come before the opening itself. */
const HINT_LATE_MS = 20

export function toInput(item: NewWorkItem, config: Config, placing: Placing | null = null): ItemInput {
  const { plan } = item
  const held = item.held ?? placing?.held ?? null
  // Nobody sits before a chat until the opening: what waits so long is a message.
  const channelKind = held?.reason === CLOSED && REAL_TIME.includes(item.channelKind) ? 'messaging' : item.channelKind
  return {
    id: item.id,
    conversation: item.conversation,
    channel: item.channel,
    channelKind,
    queue: knownQueue(plan, config),
    extraQueues: placing?.extraQueues ?? [],
    state: held === null ? 'queued' : 'held',
    reason: held?.reason ?? null,
    heldUntil: held?.until?.toISOString() ?? null,
    heldSeconds: held !== null && held.until === null && held.reason === 'routing' ? PENDING_S : null,
    priority: plan.priority,
    headStartS: isStrict(item, config)
      ? strictHeadStart(plan.priority, plan.headStartS)
      : headStart(plan.priority, plan.headStartS),
    units: unitsOf(channelKind),
    preferred: item.preferred,
    overcommit: item.overcommit ?? [],
    plan,
    planVersion: item.planVersion,
    tellWait: plan.tellWait === true,
    slaPolicy: plan.slaPolicy ?? null,
    tags: plan.tags ?? [],
  }
}

function isStrict(item: NewWorkItem, config: Config): boolean {
  const id = knownQueue(item.plan, config)
  return config.queues.find((queue) => queue.id === id)?.strict === true
}

/** The last floor: an item in a queue nobody has would wait for ever. */
function knownQueue(plan: Plan, config: Config): string {
  return config.queues.some((queue) => queue.id === plan.queue) ? plan.queue : config.defaultQueue
}

export interface IntakeDeps extends ReturnDeps {
  readonly hours: QueueHours
  readonly jobs: Pick<Jobs, 'add'>
}

/** What the clock says about a plan. null: its queue is always open, and nobody has to ask. */
function placeOf(plan: Plan, deps: Pick<IntakeDeps, 'config' | 'hours'>, now: Date | null): Placing | null {
  return now === null ? null : deps.hours.place({ ...plan, queue: knownQueue(plan, deps.config) }, now)
}

function bounded(plan: Plan, deps: Pick<IntakeDeps, 'config' | 'hours'>): boolean {
  return deps.hours.bounded(knownQueue(plan, deps.config))
}

/**
 * Inside the drain's transaction, which holds the conversations' locks. One statement, and the database's clock where a
 * queue has hours; one live item a conversation.
 */
export async function enqueue(
  trx: Transaction<Tables>,
  items: readonly NewWorkItem[],
  deps: IntakeDeps,
): Promise<readonly NewEvent[]> {
  if (items.length === 0) return []
  const now = items.some((item) => bounded(item.plan, deps)) ? await databaseNow(trx) : null
  const inputs = items.map((item) => toInput(item, deps.config, placeOf(item.plan, deps, now)))
  const written = await insertItems(trx, inputs)
  const of = new Map(inputs.map((input) => [input.id, input]))
  await hintOpenings(trx, deps, inputs)
  const returned = await giveBack(trx, deps, written, items)
  return [
    ...written.map((item) =>
      item.state === 'held'
        ? workEvent('work.held', item, SYSTEM, heldAs(of.get(item.id)))
        : workEvent('work.queued', item, SYSTEM),
    ),
    ...returned,
  ]
}

function heldAs(input: ItemInput | undefined): Readonly<Record<string, unknown>> {
  return { reason: input?.reason ?? null, until: input?.heldUntil ?? null }
}

/** A hint a queue and opening; the sweep lets the items in anyway. */
async function hintOpenings(
  trx: Transaction<Tables>,
  deps: Pick<IntakeDeps, 'jobs'>,
  inputs: readonly ItemInput[],
): Promise<void> {
  const openings = new Map(
    inputs.flatMap(({ queue, reason, heldUntil }) =>
      reason === CLOSED && heldUntil !== null ? [[queue, heldUntil] as const] : [],
    ),
  )
  if (openings.size === 0) return
  const jobs = [...openings].map(([queue, at]) => ({
    task: OPEN_TASK,
    payload: {},
    key: `open:${queue}`,
    runAt: new Date(Date.parse(at) + HINT_LATE_MS),
  }))
  await deps.jobs.add(trx, jobs)
}

export interface SettleDeps extends TransactDeps, IntakeDeps {}

/**
 * A pending decision has come: it replaces the plan the item was stored with. Lock: item. Only an item still held for this
 * answer is changed, so a late or repeated call does nothing. Answers the queue to wake or, where it is
 * closed, to tell the customer of; null: nothing was changed.
 */
export async function settle(deps: SettleDeps, id: string, decided: SettledDecision): Promise<string | null> {
  return transact(deps, async (trx, emit) => {
    const item = await lockItem(trx, id)
    if (item === null || item.state !== 'held') return null
    const { work } = decided
    const now = work !== null && bounded(work.plan, deps) ? await databaseNow(trx) : null
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
            placeOf(work.plan, deps, now),
          )
    if (input !== null) await hintOpenings(trx, deps, [input])
    if (input === null) await setEnded(trx, id, 'cancelled')
    else if (!(await applyPlan(trx, input))) return null
    await recordSettled(trx, deps.ids(), id, decided)
    const after = await lockItem(trx, id)
    if (after === null) return null
    emit([
      input === null
        ? workEvent('work.completed', after, SYSTEM, { outcome: 'cancelled' })
        : after.state === 'held'
          ? workEvent('work.held', after, SYSTEM, heldAs(input))
          : workEvent('work.queued', after, SYSTEM),
    ])
    return after.queue
  })
}
