import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import { retryTransaction } from '../store/retry-transaction.js'
import type { Tables } from '../store/tables.js'
import type { ContactView, IdentityService, Suggestion, Within } from './contract.js'
import { findContact, listContacts, listSuggestions } from './identity-read-store.js'
import {
  decideSuggestion,
  deleteIdentifier,
  holderOf,
  lockContactRows,
  readSuggestion,
  touchContact,
  updateContact,
} from './identity-write-store.js'
import { joinWithRecord } from './join.js'
import { linkIdentifier } from './link.js'
import { undoJoin } from './undo.js'

export interface IdentityDeps {
  readonly db: Kysely<Tables>
  readonly ids: Ids
  readonly events: EventWriter
  /** Gives conversations that an undone join tore off to routing, if their customers wait. */
  readonly openWork?: (trx: Transaction<Tables>, conversations: readonly string[]) => Promise<readonly NewEvent[]>
  /** The normal form of an identifier an agent typed; without it the trimmed text is what later messages must match. */
  readonly normalise?: (kind: string, value: string) => Promise<string>
}

type Emit = (...events: readonly NewEvent[]) => void

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const ATTRIBUTES_MAX = 32_768

/** Contacts as people see them, and what people decide about them. Locks: contacts in id order, then what is theirs. */
export function createIdentity(deps: IdentityDeps): IdentityService {
  const { db, ids } = deps

  /** One act: effect, events and the caller's own rows in one transaction; readers are told after the commit. */
  async function act<T>(run: (trx: Transaction<Tables>, emit: Emit) => Promise<T>, within?: Within): Promise<T> {
    const result = await retryTransaction(db, async (trx) => {
      const events: NewEvent[] = []
      const answer = await run(trx, (...more) => events.push(...more))
      await deps.events.append(trx, events)
      await within?.(trx, answer)
      return answer
    })
    deps.events.poke()
    return result
  }

  const service: IdentityService = {
    contact: (id) => (uuid.test(id) ? findContact(db, id) : Promise.resolve(null)),
    async contacts(filter) {
      const before = filter.cursor ?? null
      if (before !== null && !uuid.test(before)) {
        throw new ThroughlineError('TL_REQUEST_INVALID', 'the cursor is not one of this list; start again without it')
      }
      const query = clean(filter.query ?? '').trim()
      const items = await listContacts(db, { query: query === '' ? null : query, before, limit: filter.limit + 1 })
      const page = items.slice(0, filter.limit)
      return { items: page, next: items.length > page.length ? (page.at(-1)?.id ?? null) : null }
    },
    async suggestions(contact) {
      if (contact !== undefined && !uuid.test(contact)) return []
      return listSuggestions(db, contact ?? null)
    },
    async join(from, into, actor, evidence, within) {
      if (from === into) throw new ThroughlineError('TL_COMMAND_INVALID', 'a contact cannot be joined into itself')
      return act(async (trx, emit) => {
        await lockLive(trx, [from, into])
        const { joinId, events } = await joinWithRecord(trx, { ids, from, into, actor, evidence: clean(evidence) })
        emit(...events)
        return { joinId }
      }, within)
    },
    undo: (joinId, actor, within) =>
      act(async (trx, emit) => {
        if (!uuid.test(joinId)) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such join')
        const undone = await undoJoin(trx, { ids, joinId, actor })
        emit(...undone)
        const torn = undone.flatMap((event) =>
          event.type === 'conversation.created' ? (event.conversation ?? []) : [],
        )
        if (torn.length > 0 && deps.openWork !== undefined) emit(...(await deps.openWork(trx, torn)))
      }, within),
    confirm: (suggestionId, actor, within) =>
      act(async (trx, emit) => {
        const found = await lockSides(trx, suggestionId)
        // The side that holds it verified survives: it is the one whose word stands.
        const holder = await holderOf(trx, found.kind, found.value)
        const into = holder === found.contactB ? found.contactB : found.contactA
        const from = into === found.contactA ? found.contactB : found.contactA
        const evidence = `confirmed by an agent: ${found.evidence}`
        // The join answers every open suggestion between the two, and its undo opens them again: this one among them.
        const { joinId, events } = await joinWithRecord(trx, { ids, from, into, actor, evidence })
        emit(...events)
        return { joinId }
      }, within),
    reject: (suggestionId, actor, within) =>
      act(async (trx, emit) => {
        const found = await lockSides(trx, suggestionId)
        await decideSuggestion(trx, suggestionId, 'rejected', actor.id)
        emit({
          type: 'identity.rejected',
          contact: found.contactA,
          actor,
          data: { suggestionId, other: found.contactB },
        })
      }, within),
    async update(id, patch, actor, ifVersion) {
      if (patch.attributes !== undefined && JSON.stringify(patch.attributes).length > ATTRIBUTES_MAX) {
        throw new ThroughlineError(
          'TL_COMMAND_INVALID',
          `attributes have at most ${ATTRIBUTES_MAX} characters of JSON`,
          {
            details: { path: '/attributes' },
          },
        )
      }
      return act(async (trx, emit) => {
        const before = await lockOne(trx, id)
        if (ifVersion !== undefined && ifVersion !== before.version) {
          throw new ThroughlineError('TL_COMMAND_CONFLICT', 'the contact has changed meanwhile', {
            details: { current: before.version },
          })
        }
        const text = (value: string | null) => (value === null ? null : clean(value))
        await updateContact(trx, id, {
          name: text(patch.name ?? before.name),
          tier: text(patch.tier === undefined ? before.tier : patch.tier),
          language: text(patch.language === undefined ? before.language : patch.language),
          timeZone: text(patch.timeZone === undefined ? before.timeZone : patch.timeZone),
          attributes: JSON.stringify(cleanValue({ ...before.attributes, ...patch.attributes })),
        })
        const after = await read(trx, id)
        emit({
          type: 'contact.updated',
          contact: id,
          actor,
          data: { changed: Object.keys(patch), version: after.version },
        })
        return after
      })
    },
    async link(contact, identifier, actor, within) {
      const { kind } = identifier
      if (kind.startsWith('sender:')) {
        throw new ThroughlineError(
          'TL_COMMAND_INVALID',
          'sender keys belong to the channels; nobody adds one by hand',
          {
            details: { path: '/kind' },
          },
        )
      }
      const typed = clean(identifier.value).trim()
      const value = (await deps.normalise?.(kind, typed)) ?? typed
      if (value === '' || value.length > 512) {
        throw new ThroughlineError('TL_COMMAND_INVALID', 'an identifier has 1 to 512 characters', {
          details: { path: '/value' },
        })
      }
      const other = await act(async (trx, emit) => {
        await lockOne(trx, contact)
        const linked = await linkIdentifier(trx, { ids, contact, identifier: { ...identifier, value }, actor })
        emit(...linked.events)
        // Refused below: then there is no result to store, and a repetition is refused again.
        if (linked.holder === null) await within?.(trx)
        return linked.holder
      })
      // Outside the transaction: the suggestion it made stays.
      if (other !== null) {
        throw new ThroughlineError(
          'TL_COMMAND_CONFLICT',
          'another contact holds this identifier verified; a suggestion to join the two was made',
          { details: { other } },
        )
      }
    },
    unlink: (contact, identifierId, actor, within) =>
      act(async (trx, emit) => {
        await lockOne(trx, contact)
        const kind = uuid.test(identifierId) ? await deleteIdentifier(trx, contact, identifierId) : null
        if (kind === null) {
          throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'the contact has no such identifier that could be removed')
        }
        await touchContact(trx, contact)
        emit({ type: 'contact.updated', contact, actor, data: { changed: ['identifiers'], kind } })
      }, within),
  }
  return Object.freeze(service)
}

/** Both rows, locked in id order, of contacts that stand on their own. */
async function lockLive(trx: Transaction<Tables>, ids: readonly string[]): Promise<void> {
  const rows = ids.every((id) => uuid.test(id)) ? await lockContactRows(trx, ids) : new Map<string, never>()
  for (const id of ids) {
    const row = rows.get(id)
    if (row === undefined) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such contact')
    if (row.joinedInto !== null) {
      throw new ThroughlineError('TL_COMMAND_CONFLICT', 'this contact was joined into another; act on that one', {
        details: { contact: id, joinedInto: row.joinedInto },
      })
    }
  }
}

async function lockOne(trx: Transaction<Tables>, id: string): Promise<ContactView> {
  await lockLive(trx, [id])
  return read(trx, id)
}

async function read(trx: Transaction<Tables>, id: string): Promise<ContactView> {
  const found = await findContact(trx, id)
  if (found === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such contact')
  return found
}

/** An open suggestion with both contacts locked. Read again under the locks: a join may have moved or answered it. */
async function lockSides(trx: Transaction<Tables>, id: string): Promise<Suggestion> {
  const seen = uuid.test(id) ? await readSuggestion(trx, id) : null
  if (seen === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such suggestion')
  await lockContactRows(trx, [seen.contactA, seen.contactB])
  const now = await readSuggestion(trx, id)
  if (now === null || now.contactA !== seen.contactA || now.contactB !== seen.contactB) {
    throw new ThroughlineError('TL_COMMAND_CONFLICT', 'one of the two contacts was joined meanwhile; look again')
  }
  if (now.state !== 'open') {
    throw new ThroughlineError('TL_COMMAND_CONFLICT', `this suggestion was ${now.state} already`)
  }
  await lockLive(trx, [now.contactA, now.contactB])
  return now
}

/** PostgreSQL takes neither NUL nor half a surrogate pair. */
function clean(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}

function cleanValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return clean(value)
  if (value === null || typeof value !== 'object') return value
  if (depth === 16) return null
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [clean(key), cleanValue(item, depth + 1)]))
}
