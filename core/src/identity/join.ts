import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { Actor } from './contract.js'
import { moveToContact, recordJoin } from './join-store.js'

export interface JoinInput {
  readonly ids: Ids
  readonly from: string
  readonly into: string
  readonly evidence: string
  readonly actor: Actor
}

/**
 * Joins `from` into `into` inside the caller's transaction, which holds both contact rows' locks. Everything `from` had is
 * the survivor's from now on; the record keeps what moved, so that it can be undone. Answers the events and the record's id.
 */
export async function joinWithRecord(
  trx: Transaction<Tables>,
  input: JoinInput,
): Promise<{ readonly joinId: string; readonly events: readonly NewEvent[] }> {
  const { from, into, evidence, actor } = input
  const moved = await moveToContact(trx, { from, into, by: actor.id })
  const joinId = input.ids()
  await recordJoin(trx, { id: joinId, from, into, evidence, actorKind: actor.kind, actorId: actor.id, moved })
  const event: NewEvent = {
    type: 'identity.linked',
    contact: into,
    actor,
    data: { joinId, from, into, conversations: moved.conversations.length },
  }
  return { joinId, events: [event] }
}

/** The drain's way: the events only. */
export async function joinContacts(trx: Transaction<Tables>, input: JoinInput): Promise<readonly NewEvent[]> {
  return (await joinWithRecord(trx, input)).events
}
