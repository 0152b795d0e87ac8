import type { Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { Actor } from './contract.js'
import { lockContactRows } from './identity-write-store.js'
import { findTorn, joinOf, lockJoin, moveBack, redirectJoined, tearOff } from './undo-store.js'

/**
 * Undoes a join inside the caller's transaction. Locks: the record, both contacts in id order, the survivor's conversations
 * in id order. Whoever wrote in a conversation that goes to the other side keeps the own words, in a new conversation.
 */
export async function undoJoin(
  trx: Transaction<Tables>,
  input: { readonly ids: Ids; readonly joinId: string; readonly actor: Actor },
): Promise<readonly NewEvent[]> {
  const { joinId, actor } = input
  const join = await lockJoin(trx, joinId)
  if (join === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such join')
  if (join.undone) throw new ThroughlineError('TL_COMMAND_CONFLICT', 'this join was undone already')
  const rows = await lockContactRows(trx, [join.from, join.into])
  if (rows.get(join.into)?.joinedInto !== null) {
    const later = await joinOf(trx, join.into)
    throw new ThroughlineError('TL_COMMAND_CONFLICT', 'the survivor was joined further since; undo that join first', {
      details: { joinId: later },
    })
  }
  const events: NewEvent[] = [
    {
      type: 'identity.unlinked',
      contact: join.from,
      actor,
      data: { joinId, from: join.from, into: join.into },
    },
  ]
  for (const torn of await findTorn(trx, join)) {
    const id = input.ids()
    await tearOff(trx, id, torn)
    if (torn.contact === join.from) await redirectJoined(trx, join, { old: torn.conversation, now: id })
    const owner = torn.contact === join.into ? join.from : join.into
    events.push(
      {
        type: 'conversation.created',
        conversation: id,
        contact: torn.contact,
        actor,
        data: { splitFrom: torn.conversation },
      },
      {
        type: 'conversation.split',
        conversation: torn.conversation,
        contact: owner,
        actor,
        data: { into: id, undoes: joinId },
      },
    )
  }
  await moveBack(trx, join, actor.id)
  return events
}
