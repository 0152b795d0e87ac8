import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { Actor, ContactView, IdentityService } from './contract.js'
import {
  decideSuggestion,
  deleteIdentifier,
  findContact,
  holderOf,
  listContacts,
  listSuggestions,
  lockForJoin,
  lockSuggestion,
  updateContact,
} from './identity-read-store.js'
import { joinWithRecord } from './join.js'
import { laterJoin, lockJoin, moveBack } from './join-store.js'
import { insertIdentifiers, insertSuggestions } from './resolve-store.js'

export interface IdentityDeps {
  readonly db: Kysely<Tables>
  readonly ids: Ids
  readonly events: EventWriter
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Contacts as people see them, and what people decide about them. Locks: contacts in id order. */
export function createIdentity(deps: IdentityDeps): IdentityService {
  const { db, ids } = deps

  async function act<T>(
    run: (trx: Transaction<Tables>, emit: (...events: readonly NewEvent[]) => void) => Promise<T>,
  ): Promise<T> {
    const result = await db.transaction().execute(async (trx) => {
      const events: NewEvent[] = []
      const answer = await run(trx, (...more) => events.push(...more))
      await deps.events.append(trx, events)
      return answer
    })
    deps.events.poke()
    return result
  }

  async function joinLocked(
    trx: Transaction<Tables>,
    emit: (...events: readonly NewEvent[]) => void,
    input: { from: string; into: string; actor: Actor; evidence: string },
  ): Promise<{ joinId: string }> {
    const rows = await lockForJoin(trx, [input.from, input.into])
    for (const id of [input.from, input.into]) {
      const row = rows.get(id)
      if (row === undefined) throw unknown()
      if (row.joinedInto !== null) {
        throw new ThroughlineError('TL_COMMAND_CONFLICT', 'one of the contacts was joined into another already', {
          details: { contact: id, joinedInto: row.joinedInto },
        })
      }
    }
    const { joinId, events } = await joinWithRecord(trx, { ids, ...input })
    emit(...events)
    return { joinId }
  }

  const service: IdentityService = {
    contact: (id) => (uuid.test(id) ? findContact(db, id) : Promise.resolve(null)),
    async contacts(filter) {
      const before = filter.cursor ?? null
      if (before !== null && !uuid.test(before))
        throw new ThroughlineError('TL_REQUEST_INVALID', 'the cursor is not one of this list')
      const query = filter.query?.trim() ?? ''
      const items = await listContacts(db, { query: query === '' ? null : query, before, limit: filter.limit + 1 })
      const page = items.slice(0, filter.limit)
      return { items: page, next: items.length > page.length ? (page.at(-1)?.id ?? null) : null }
    },
    suggestions: (contact) => listSuggestions(db, contact ?? null),
    async join(from, into, actor, evidence) {
      if (from === into) throw new ThroughlineError('TL_COMMAND_INVALID', 'a contact cannot be joined into itself')
      return act((trx, emit) => joinLocked(trx, emit, { from, into, actor, evidence }))
    },
    undo: (joinId, actor) =>
      act(async (trx, emit) => {
        const join = uuid.test(joinId) ? await lockJoin(trx, joinId) : null
        if (join === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such join')
        if (join.undone) throw new ThroughlineError('TL_COMMAND_CONFLICT', 'this join was undone already')
        const later = await laterJoin(trx, join)
        if (later !== null) {
          throw new ThroughlineError(
            'TL_COMMAND_CONFLICT',
            'the survivor was joined further since; undo that join first',
            {
              details: { joinId: later },
            },
          )
        }
        await lockForJoin(trx, [join.from, join.into])
        await moveBack(trx, join, actor.id)
        emit({
          type: 'identity.unlinked',
          contact: join.from,
          actor,
          data: { joinId, from: join.from, into: join.into },
        })
      }),
    confirm: (suggestionId, actor) =>
      act(async (trx, emit) => {
        const found = uuid.test(suggestionId) ? await lockSuggestion(trx, suggestionId) : null
        if (found === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such suggestion')
        if (found.state !== 'open')
          throw new ThroughlineError('TL_COMMAND_CONFLICT', `this suggestion was ${found.state} already`)
        // The side that holds it verified survives: it is the one whose word stands.
        const holder = await holderOf(trx, found.kind, found.value)
        const into = holder === found.contactB ? found.contactB : found.contactA
        const from = into === found.contactA ? found.contactB : found.contactA
        await decideSuggestion(trx, suggestionId, 'confirmed', actor.id)
        const evidence = `confirmed by an agent: ${found.evidence}`
        return joinLocked(trx, emit, { from, into, actor, evidence })
      }),
    reject: (suggestionId, actor) =>
      act(async (trx, emit) => {
        const found = uuid.test(suggestionId) ? await lockSuggestion(trx, suggestionId) : null
        if (found === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such suggestion')
        if (found.state !== 'open')
          throw new ThroughlineError('TL_COMMAND_CONFLICT', `this suggestion was ${found.state} already`)
        await decideSuggestion(trx, suggestionId, 'rejected', actor.id)
        emit({
          type: 'identity.rejected',
          contact: found.contactA,
          actor,
          data: { suggestionId, other: found.contactB },
        })
      }),
    update: (id, patch, actor, ifVersion) =>
      act(async (trx, emit) => {
        const before = await lockLive(trx, id)
        if (ifVersion !== undefined && ifVersion !== before.version) {
          throw new ThroughlineError('TL_COMMAND_CONFLICT', 'the contact has changed meanwhile', {
            details: { current: before.version },
          })
        }
        await updateContact(trx, id, {
          name: patch.name ?? before.name,
          tier: patch.tier === undefined ? before.tier : patch.tier,
          language: patch.language === undefined ? before.language : patch.language,
          timeZone: patch.timeZone === undefined ? before.timeZone : patch.timeZone,
          attributes: JSON.stringify({ ...before.attributes, ...patch.attributes }),
        })
        emit({
          type: 'contact.updated',
          contact: id,
          actor,
          data: { changed: Object.keys(patch), version: before.version + 1 },
        })
        return (await findContact(trx, id))!
      }),
    async link(contact, identifier, actor) {
      const other = await act(async (trx, emit) => {
        await lockLive(trx, contact)
        const evidence = `added by agent ${actor.id ?? ''}`
        const row = {
          ...identifier,
          id: ids(),
          contact,
          evidence,
          confidence: 1,
          resolves: identifier.assurance === 'verified',
          channel: '',
        }
        const holder = await holderOf(trx, identifier.kind, identifier.value)
        if (identifier.assurance === 'verified' && holder !== null && holder !== contact) {
          const [a, b] = [contact, holder].sort()
          await insertSuggestions(trx, [
            { id: ids(), a: a!, b: b!, kind: identifier.kind, value: identifier.value, confidence: 0.9, evidence },
          ])
          return holder
        }
        await insertIdentifiers(trx, [row])
        emit({ type: 'contact.updated', contact, actor, data: { changed: ['identifiers'], kind: identifier.kind } })
        return null
      })
      if (other !== null) {
        throw new ThroughlineError(
          'TL_COMMAND_CONFLICT',
          'another contact holds this identifier; a suggestion to join them was made',
          {
            details: { other },
          },
        )
      }
    },
    unlink: (contact, identifierId, actor) =>
      act(async (trx, emit) => {
        await lockLive(trx, contact)
        const kind = uuid.test(identifierId) ? await deleteIdentifier(trx, contact, identifierId) : null
        if (kind === null)
          throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'the contact has no such identifier that could be removed')
        emit({ type: 'contact.updated', contact, actor, data: { changed: ['identifiers'], kind } })
      }),
  }
  return Object.freeze(service)
}

async function lockLive(trx: Transaction<Tables>, id: string): Promise<ContactView> {
  const row = uuid.test(id) ? (await lockForJoin(trx, [id])).get(id) : undefined
  if (row === undefined) throw unknown()
  if (row.joinedInto !== null) {
    throw new ThroughlineError('TL_COMMAND_CONFLICT', 'this contact was joined into another; act on that one', {
      details: { joinedInto: row.joinedInto },
    })
  }
  return (await findContact(trx, id))!
}

function unknown(): ThroughlineError {
  return new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such contact')
}
