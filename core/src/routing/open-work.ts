import type { Priority } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { enqueue, type IntakeDeps } from './intake.js'
import { unattended } from './work-store.js'

/**
 * Conversations that came to be by a split: those in which a customer's message is unanswered and that nobody has to handle
 * get a work item, in the queue they come from. Inside the caller's transaction, which made or locked them; a second call
 * finds the item of the first.
 */
export async function openWork(
  trx: Transaction<Tables>,
  deps: IntakeDeps,
  conversations: readonly string[],
): Promise<readonly NewEvent[]> {
  const found = await unattended(trx, conversations)
  const items = found.map(({ id, channel, queue, priority }) => ({
    id: deps.ids(),
    conversation: id,
    channel: channel ?? 'none',
    channelKind: deps.config.channels.find((one) => one.id === channel)?.kind ?? 'messaging',
    plan: { queue: queue ?? deps.config.defaultQueue, priority: priority as Priority },
    planVersion: 'split',
    held: null,
    preferred: [],
  }))
  return enqueue(trx, items, deps)
}
