import { ThroughlineError } from '../errors.js'
import type { WorkContext } from './contract.js'
import { closePending } from './offer-store.js'
import { addSkills, pendingWithout } from './require-store.js'
import { transact, type TransactDeps } from './transact.js'
import { closedEvents, workEvent } from './work-events.js'
import { lockConversation, lockLiveItem } from './work-store.js'

/**
 * From now on nobody without these skills is asked about a conversation; they are hard, no step drops them. An open offer to
 * somebody who lacks one is taken back, any other is kept, and so is whoever has the conversation already. Locks:
 * conversation, item, offers, loads.
 */
export async function requireSkills(
  deps: TransactDeps & { readonly wake: (queues: readonly string[]) => void },
  conversation: string,
  skills: Readonly<Record<string, number>>,
  context: WorkContext,
): Promise<void> {
  const queue = await transact(
    deps,
    async (trx, emit) => {
      await lockConversation(trx, conversation)
      const item = await lockLiveItem(trx, conversation)
      if (item === null) {
        throw new ThroughlineError(
          'TL_COMMAND_CONFLICT',
          `nobody has to handle conversation ${conversation} now, so nothing can be asked of who does; transfer it first`,
        )
      }
      await addSkills(trx, item.id, skills)
      emit([workEvent('work.required', item, context, { skills })])
      const offers = await pendingWithout(trx, item.id, skills)
      const closed = await closePending(trx, { offers, state: 'rescinded', reason: 'item_changed' })
      emit(closedEvents('offer.rescinded', closed, 'item_changed', context))
      return item.queue
    },
    context.within,
  )
  deps.wake([queue])
}
