import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { Actor } from './contract.js'
import { holderOf, touchContact } from './identity-write-store.js'
import { insertIdentifiers, insertSuggestions } from './resolve-store.js'

export interface LinkInput {
  readonly ids: Ids
  readonly contact: string
  readonly identifier: { readonly kind: string; readonly value: string; readonly assurance: 'verified' | 'claimed' }
  readonly actor: Actor
}

/**
 * Adds an identifier to a contact whose row the caller holds locked. What somebody else holds verified is not taken away:
 * `holder` names them, and an agent gets the suggestion. Key: (contact, kind, value, assurance); a second link changes nothing.
 */
export async function linkIdentifier(
  trx: Transaction<Tables>,
  { ids, contact, identifier, actor }: LinkInput,
): Promise<{ readonly holder: string | null; readonly events: readonly NewEvent[] }> {
  const { kind, value, assurance } = identifier
  const evidence = actor.kind === 'agent' ? 'added by an agent' : `added by ${actor.kind}`
  const confidence = assurance === 'verified' ? 1 : 0.5
  const stored = await insertIdentifiers(trx, [
    { ...identifier, id: ids(), contact, evidence, confidence, resolves: assurance === 'verified', channel: '' },
  ])
  const events: NewEvent[] = []
  if (stored.size > 0) {
    await touchContact(trx, contact)
    events.push({ type: 'contact.updated', contact, actor, data: { changed: ['identifiers'], kind } })
  }
  // After the insert: it waits for whoever is storing the same identifier at this moment, and this reads what became of it.
  const found = await holderOf(trx, kind, value)
  const other = found === contact ? null : found
  if (other !== null) {
    const [a, b] = [contact, other].sort()
    const id = ids()
    const fresh = await insertSuggestions(trx, [{ id, a: a!, b: b!, kind, value, confidence, evidence }])
    if (fresh.has(id)) {
      events.push({ type: 'identity.suggested', contact, actor, data: { suggestionId: id, other, kind } })
    }
  }
  return { holder: assurance === 'verified' ? other : null, events }
}
