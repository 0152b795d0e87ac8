import { ThroughlineError } from '../errors.js'
import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { actOn, eventOf, readBack, type ActDeps } from './act.js'
import type { ActContext, ConversationView } from './contract.js'
import { uuid } from './cursor.js'
import { readMovable, splitConversation } from './move-store.js'

export interface SplitDeps extends ActDeps {
  /** Gives the new conversation to routing if its customer waits. */
  readonly openWork: (trx: Transaction<Tables>, conversations: readonly string[]) => Promise<readonly NewEvent[]>
}

/** Lock: the conversation. All of the messages move, or none. */
export async function splitOff(
  deps: SplitDeps,
  id: string,
  messageIds: readonly string[],
  context: ActContext,
): Promise<ConversationView> {
  const messages = [...new Set(messageIds)]
  if (messages.length === 0) throw invalid('name the messages to split off')
  return actOn(deps, id, context, async (trx, _before, emit) => {
    const known = messages.every((one) => uuid.test(one)) ? await readMovable(trx, id, messages) : null
    if (known === null || known.found !== messages.length) {
      throw new ThroughlineError(
        'TL_COMMAND_NOT_FOUND',
        'not all of these messages are in this conversation; nothing was moved',
      )
    }
    if (known.touchpoints.length === 0) throw invalid('notes alone make no conversation; take messages along')
    if (known.moving === known.all) throw invalid('no message would be left; leave at least one')
    const created = deps.ids()
    await splitConversation(trx, {
      from: id,
      id: created,
      messages,
      touchpoints: known.touchpoints.map((old) => ({ old, id: deps.ids() })),
    })
    const work = await deps.openWork(trx, [created])
    const [after, left] = [await readBack(trx, created), await readBack(trx, id)]
    emit(
      eventOf('conversation.created', after, context, { splitFrom: id }),
      eventOf('conversation.split', left, context, { into: created, messages: messages.length }),
      ...work,
    )
    return after
  })
}

function invalid(message: string): ThroughlineError {
  return new ThroughlineError('TL_COMMAND_INVALID', message, { details: { path: '/messageIds' } })
}
