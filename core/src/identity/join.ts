import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { Actor } from './contract.js'
import { moveToContact, profileOf, recordJoin } from './join-store.js'

export interface JoinInput {
  readonly ids: Ids
  readonly from: string
  readonly into: string
  readonly evidence: string
  readonly actor: Actor
}

/**
 * Joins `from` into `into` inside the caller's transaction, which holds both rows' locks. Everything `from` had is the
 * survivor's from now on; the record keeps what moved, so that it can be undone. Answers the events and the record's id.
 */
export async function joinWithRecord(
  trx: Transaction<Tables>,
  input: JoinInput,
): Promise<{ readonly joinId: string; readonly events: readonly NewEvent[] }> {
  const before = await profileOf(trx, input.into)
  const moved = await moveToContact(trx, input.from, input.into)
  const joinId = input.ids()
  await recordJoin(trx, {
    id: joinId,
    from: input.from,
    into: input.into,
    evidence: input.evidence,
    actorKind: input.actor.kind,
    actorId: input.actor.id,
    moved: { ...moved, before },
  })
  const event: NewEvent = {
    type: 'identity.linked',
    contact: input.into,
    actor: input.actor,
    data: { joinId, from: input.from, into: input.into, conversations: moved.conversations.length },
  }
  return { joinId, events: [event] }
}

/** The drain's way: the events only. */
export async function joinContacts(trx: Transaction<Tables>, input: JoinInput): Promise<readonly NewEvent[]> {
  return (await joinWithRecord(trx, input)).events
}
