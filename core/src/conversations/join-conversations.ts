import type { Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { checkVersion, eventOf, lockOne, readBack, transactAct, type ActDeps } from './act.js'
import type { ActContext, ConversationView } from './contract.js'
import { uuid } from './cursor.js'
import { lockContactsOf, moveConversation } from './move-store.js'

export interface JoinDeps extends ActDeps {
  /** `from` was joined into `into`: one work item survives. Both rows are locked. */
  readonly joinWork: (
    trx: Transaction<Tables>,
    from: string,
    into: string,
    context: ActContext,
  ) => Promise<readonly NewEvent[]>
}

/** Locks: the contact, both conversations in id order, then their work. `ifVersion` is the version of the one that stays. */
export async function joinConversations(
  deps: JoinDeps,
  from: string,
  into: string,
  context: ActContext,
): Promise<ConversationView> {
  if (from === into) throw new ThroughlineError('TL_COMMAND_INVALID', 'a conversation cannot be joined into itself')
  return transactAct(deps, context, async (trx, emit) => {
    await lockContactsOf(
      trx,
      [from, into].filter((id) => uuid.test(id)),
    )
    const rows = new Map<string, ConversationView>()
    for (const id of [from, into].sort()) rows.set(id, await lockOne(trx, id))
    const [source, target] = [rows.get(from)!, rows.get(into)!]
    checkVersion(target, context)
    if (source.contact !== target.contact) {
      throw new ThroughlineError(
        'TL_COMMAND_CONFLICT',
        'the two conversations belong to two contacts; join the contacts first if they are one person',
      )
    }
    emit(...(await deps.joinWork(trx, from, into, context)))
    await moveConversation(trx, from, into)
    const after = await readBack(trx, into)
    emit(eventOf('conversation.joined', after, context, { from, into }))
    return after
  })
}
