import type { Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { actOn, eventOf, readBack, transactAct, type ActDeps } from './act.js'
import { setStatus, wakeSnoozed } from './act-store.js'
import type { ActContext, ConversationStatus, ConversationView } from './contract.js'

export interface StatusDeps extends ActDeps {
  /** Ends the conversation's work inside the act's transaction; answers the events of it. */
  readonly endWork: (
    trx: Transaction<Tables>,
    conversation: string,
    context: ActContext,
  ) => Promise<readonly NewEvent[]>
}

export interface StatusChange {
  readonly status: 'open' | 'pending' | 'snoozed' | 'resolved'
  readonly until?: Date
}

const WOKEN_AT_ONCE = 500

/** Lock: the conversation, then its work. Resolving ends the work in the same transaction; the same status again is no act. */
export async function changeStatus(
  deps: StatusDeps,
  id: string,
  to: StatusChange,
  context: ActContext,
): Promise<ConversationView> {
  const { status, until } = to
  if (status === 'snoozed' && (until === undefined || Number.isNaN(until.getTime()))) {
    throw new ThroughlineError('TL_COMMAND_INVALID', 'a snooze needs `until`, the time it ends', {
      details: { path: '/until' },
    })
  }
  return actOn(deps, id, context, async (trx, before, emit) => {
    if (before.status === status && status !== 'snoozed') return before
    await setStatus(trx, id, { status, until: until ?? null })
    if (status === 'resolved') emit(...(await deps.endWork(trx, id, context)))
    const after = await readBack(trx, id)
    const data = { status, from: before.status, ...(status === 'snoozed' ? { until: until?.getTime() } : {}) }
    emit(eventOf(eventType(before.status, status), after, context, data))
    return after
  })
}

function eventType(from: ConversationStatus, to: StatusChange['status']): NewEvent['type'] {
  if (to === 'resolved') return 'conversation.resolved'
  if (to === 'snoozed') return 'conversation.snoozed'
  return from === 'resolved' ? 'conversation.reopened' : 'conversation.updated'
}

/** Opens what has slept long enough, by database time. Rows another node has in hand are left to it. */
export async function wakeAll(deps: ActDeps): Promise<number> {
  const context = { actor: { kind: 'system', id: null } } as const
  for (let total = 0; ;) {
    const woken = await transactAct(deps, {}, async (trx, emit) => {
      const rows = await wakeSnoozed(trx, WOKEN_AT_ONCE)
      emit(...rows.map((row) => eventOf('conversation.updated', row, context, { status: 'open', from: 'snoozed' })))
      return rows.length
    })
    total += woken
    if (woken < WOKEN_AT_ONCE) return total
  }
}
