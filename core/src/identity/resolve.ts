import type { Kysely, Transaction } from 'kysely'
import type { Identity, Logger, Match, Sender } from '@throughline/plugin-sdk'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Instance } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { isExclusive, isTemporary, keyId, keysOf, strength, type Key } from './keys.js'
import {
  exclusiveValues,
  fillProfile,
  findClaimHits,
  findAndLock,
  insertContacts,
  insertIdentifiers,
  insertSuggestions,
  type FoundKey,
  type LockedContact,
  type NewIdentifier,
} from './resolve-store.js'

export interface ResolverDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly ids: Ids
  readonly log: Logger
  readonly plugins: () => readonly Instance<Identity>[]
  /** Joins two contacts whose rows are locked; answers the events of it. */
  readonly join: (
    trx: Transaction<Tables>,
    from: string,
    into: string,
    evidence: string,
  ) => Promise<readonly NewEvent[]>
}

/** One sender of a batch. */
export interface SenderInput {
  readonly channel: string
  readonly sender: Sender
}
export interface PreparedSender extends SenderInput {
  readonly keys: readonly Key[]
}

export interface ResolvedSender {
  readonly contact: LockedContact
  readonly isNew: boolean
  /** The network or a signature vouches for who this is. */
  readonly verified: boolean
}

/** What was read is out of date (a contact was joined or created meanwhile): roll back and do the batch again. */
export class StaleBatch extends Error {
  override readonly name = 'StaleBatch'
}

const PLUGIN_MS = 500

export class IdentityResolver {
  readonly #deps: ResolverDeps

  constructor(deps: ResolverDeps) {
    this.#deps = deps
  }

  /** Before the transaction: asks the identity plugins for normal forms. A failing one is left out, never waited for. */
  async prepare(inputs: readonly SenderInput[]): Promise<PreparedSender[]> {
    const asked: (readonly Match[])[] = inputs.map(() => [])
    for (const plugin of this.#deps.plugins()) {
      try {
        const answers = await plugin.call('resolve', PLUGIN_MS, (live, signal) =>
          Promise.all(
            inputs.map(async (input) =>
              live.resolve({ channel: input.channel, sender: input.sender, hints: {} }, signal),
            ),
          ),
        )
        answers.forEach((matches, i) => (asked[i] = [...(asked[i] ?? []), ...matches]))
      } catch (error) {
        this.#deps.log.warn(
          { instance: plugin.id, err: error },
          'an identity plugin did not answer; identifiers count as the channel gave them',
        )
      }
    }
    return inputs.map((input, i) => ({
      ...input,
      keys: keysOf(input.channel, input.sender, bounded(input.sender, asked[i] ?? [])),
    }))
  }

  /**
   * Inside the drain's transaction: finds, creates and locks the contacts of a batch. Statements do not grow with the batch,
   * except where two contacts turn out to be one. Throws StaleBatch when another transaction was faster.
   */
  async resolve(
    trx: Transaction<Tables>,
    senders: readonly PreparedSender[],
  ): Promise<{
    readonly resolved: readonly ResolvedSender[]
    readonly events: readonly NewEvent[]
    /** Identifiers that are new, for `suggest`. */
    readonly told: readonly NewIdentifier[]
    /** Contacts were joined: what was read of their conversations before is out of date. */
    readonly joined: boolean
  }> {
    if (senders.length === 0) return { resolved: [], events: [], told: [], joined: false }
    const groups = groupByKeys(senders)
    const hits = await findAndLock(trx, resolvingKeys(senders))
    const found = new Map(hits.map((row) => [keyId(row), row]))
    const locked = new Map(
      hits.map(({ locked: contact }) => {
        if (contact === null) throw new StaleBatch('a contact was joined meanwhile')
        return [contact.id, contact]
      }),
    )

    const events: NewEvent[] = []
    for (const group of groups) group.contact = await this.#choose(trx, group, found, locked, events)

    await this.#create(
      trx,
      groups.filter((group) => group.contact === null),
      events,
    )
    const told: NewIdentifier[] = []
    await this.#attach(trx, groups, found, told)
    for (const group of groups) await fillUnknown(trx, group)

    const bySender = new Map<PreparedSender, ResolvedSender>()
    for (const group of groups) {
      for (const sender of group.senders) {
        bySender.set(sender, {
          contact: group.contact!,
          isNew: group.isNew,
          // A network's word for a name of its own (an anonymous visitor's id) says nothing about who it is.
          verified: sender.keys.some((key) => key.assurance === 'verified' && strength(key) >= 3),
        })
      }
    }
    const joined = events.some((event) => event.type === 'identity.linked')
    return { resolved: senders.map((sender) => bySender.get(sender)!), events, told, joined }
  }

  /** The contact of a group: the one its keys point at; several are joined where verified identifiers say they are one. */
  async #choose(
    trx: Transaction<Tables>,
    group: Group,
    found: ReadonlyMap<string, FoundKey>,
    locked: ReadonlyMap<string, LockedContact>,
    events: NewEvent[],
  ): Promise<LockedContact | null> {
    const strongest = new Map<string, Key>()
    for (const key of group.keys) {
      const contact = found.get(keyId(key))?.contact
      if (contact === undefined) continue
      const known = strongest.get(contact)
      if (known === undefined || strength(key) > strength(known)) strongest.set(contact, key)
    }
    const ids = [...strongest.keys()]
    if (ids.length <= 1) return ids[0] === undefined ? null : locked.get(ids[0])!
    const ranked = ids.sort(
      (a, b) =>
        strength(strongest.get(b)!) - strength(strongest.get(a)!) ||
        locked.get(a)!.createdAt.getTime() - locked.get(b)!.createdAt.getTime(),
    )
    const first = ranked[0]!
    const refused = await this.#refusals(trx, group, ranked)
    let survivor = locked.get(first)!
    for (const other of ranked.slice(1)) {
      const key = strongest.get(other)!
      if (key.assurance !== 'verified') continue
      if (refused.has(other)) {
        events.push({
          type: 'identity.conflict',
          contact: survivor.id,
          actor: { kind: 'system', id: null },
          data: { other, kind: key.kind, reason: 'both hold different verified accounts' },
        })
        continue
      }
      // The older contact survives: links to it are the ones that stand in other systems.
      const candidate = locked.get(other)!
      const into = candidate.createdAt < survivor.createdAt ? candidate : survivor
      const from = into === candidate ? survivor : candidate
      events.push(...(await this.#deps.join(trx, from.id, into.id, key.evidence)))
      for (const row of found.values()) if (row.contact === from.id) (row as { contact: string }).contact = into.id
      survivor = into
    }
    return survivor
  }

  async #refusals(trx: Transaction<Tables>, group: Group, contacts: readonly string[]): Promise<Set<string>> {
    const kinds = ['account', ...group.keys.map((key) => key.kind).filter(isExclusive)]
    const held = await exclusiveValues(trx, contacts, kinds)
    const first = contacts[0]!
    const mine = new Map(held.filter((row) => row.contact === first).map((row) => [row.kind, row.value]))
    for (const key of group.keys)
      if (isExclusive(key.kind) && key.assurance === 'verified') mine.set(key.kind, key.value)
    return new Set(
      held
        .filter((row) => row.contact !== first && (mine.get(row.kind) ?? row.value) !== row.value)
        .map((row) => row.contact),
    )
  }

  async #create(trx: Transaction<Tables>, groups: readonly Group[], events: NewEvent[]): Promise<void> {
    if (groups.length === 0) return
    const now = new Date()
    for (const group of groups) {
      const sender = group.senders[0]!.sender
      group.isNew = true
      group.contact = {
        id: this.#deps.ids(),
        name: short(sender.name),
        language: short(sender.profile?.language),
        timeZone: short(sender.profile?.timeZone),
        tier: null,
        attributes: sender.profile?.attributes ?? {},
        accountManager: null,
        createdAt: now,
      }
      events.push({
        type: 'contact.created',
        contact: group.contact.id,
        actor: { kind: 'system', id: null },
        data: { channel: group.senders[0]!.channel },
      })
    }
    await insertContacts(
      trx,
      groups.map((group) => group.contact!),
    )
  }

  /** Stores keys that are new to their contact. */
  async #attach(
    trx: Transaction<Tables>,
    groups: readonly Group[],
    found: ReadonlyMap<string, FoundKey>,
    told: NewIdentifier[],
  ): Promise<void> {
    const fresh: NewIdentifier[] = []
    for (const group of groups) {
      for (const key of group.keys) {
        if (found.has(keyId(key))) continue
        fresh.push({ ...key, id: this.#deps.ids(), contact: group.contact!.id, channel: group.senders[0]!.channel })
      }
    }
    if (fresh.length === 0) return
    const stored = await insertIdentifiers(trx, fresh)
    if (fresh.some((row) => row.resolves && !stored.has(row.id)))
      throw new StaleBatch('an identifier was taken meanwhile')
    told.push(...fresh.filter((row) => !row.kind.startsWith('sender:') && stored.has(row.id)))
  }

  /**
   * After the commit: proposes joins where one contact claims what another holds verified. Not inside the drain's
   * transaction, because two drains that store both sides at the same moment would not see each other. May run twice.
   */
  async suggest(told: readonly NewIdentifier[]): Promise<void> {
    const { db, ids, events } = this.#deps
    if (told.length === 0) return
    const proposed = await db.transaction().execute(async (trx) => {
      const hits = await findClaimHits(trx, told)
      if (hits.length === 0) return false
      const suggestions = hits.map((hit) => {
        const claim = told.find(
          (one) => one.contact === hit.claimant && one.kind === hit.kind && one.value === hit.value,
        )
        const [a, b] = [hit.claimant, hit.holder].sort()
        const evidence = claim?.evidence ?? 'claimed by the sender'
        return {
          id: ids(),
          a: a!,
          b: b!,
          kind: hit.kind,
          value: hit.value,
          confidence: claim?.confidence ?? 0.5,
          evidence,
          hit,
        }
      })
      const stored = await insertSuggestions(trx, suggestions)
      const fresh = suggestions.filter((one) => stored.has(one.id))
      await events.append(
        trx,
        fresh.map((one) => ({
          type: 'identity.suggested' as const,
          contact: one.hit.claimant,
          actor: { kind: 'system' as const, id: null },
          data: { suggestionId: one.id, other: one.hit.holder, kind: one.kind },
        })),
      )
      return fresh.length > 0
    })
    if (proposed) events.poke()
  }
}

interface Group {
  senders: PreparedSender[]
  keys: Key[]
  contact: LockedContact | null
  isNew: boolean
}

/** Senders that share a resolving key are one person; an album of five photos makes one contact, not five. */
function groupByKeys(senders: readonly PreparedSender[]): Group[] {
  const byKey = new Map<string, Group>()
  const groups = new Set<Group>()
  for (const sender of senders) {
    const touched = new Set<Group>()
    for (const key of sender.keys) {
      // A temporary key alone does not make two senders of a batch one person; it still finds its contact in the table.
      const group =
        key.resolves && (!isTemporary(key.kind) || key.kind.startsWith('sender:')) ? byKey.get(keyId(key)) : undefined
      if (group) touched.add(group)
    }
    const [first, ...others] = touched
    const group = first ?? { senders: [], keys: [], contact: null, isNew: false }
    groups.add(group)
    group.senders.push(sender)
    group.keys.push(...sender.keys)
    for (const other of others) {
      group.senders.push(...other.senders)
      group.keys.push(...other.keys)
      groups.delete(other)
    }
    group.keys = dedupe(group.keys)
    for (const key of group.keys) if (key.resolves) byKey.set(keyId(key), group)
  }
  return [...groups]
}

/** The identifiers by which the contacts of a batch are found, each once. */
export function resolvingKeys(senders: readonly PreparedSender[]): Key[] {
  return dedupe(senders.flatMap((sender) => sender.keys.filter((key) => key.resolves)))
}

function dedupe(keys: readonly Key[]): Key[] {
  return [...new Map(keys.map((key) => [keyId(key), key])).values()]
}

/**
 * What the plugins said, never above what the channel said: of each kind at most as many verified identifiers as the channel
 * vouched for, otherwise all of that kind count as claimed. Without an answer, what the channel said.
 */
function bounded(sender: Sender, matches: readonly Match[]): readonly Match[] {
  const vouched = new Map<string, number>()
  if (sender.assurance !== 'claimed') {
    for (const identifier of sender.identifiers ?? []) {
      if (identifier.assurance === 'claimed') continue
      vouched.set(identifier.kind, (vouched.get(identifier.kind) ?? 0) + 1)
    }
  }
  if (matches.length === 0) {
    return (sender.identifiers ?? []).map((identifier) => ({
      identifier: { kind: identifier.kind, value: identifier.value },
      assurance: sender.assurance === 'claimed' ? 'claimed' : (identifier.assurance ?? 'verified'),
      confidence: 0.5,
      evidence: 'as the channel reported it',
    }))
  }
  const raised = new Map<string, Set<string>>()
  for (const { assurance, identifier } of matches) {
    if (assurance !== 'verified') continue
    raised.set(identifier.kind, (raised.get(identifier.kind) ?? new Set()).add(identifier.value))
  }
  return matches.map((match) =>
    match.assurance === 'verified' &&
    (raised.get(match.identifier.kind)?.size ?? 0) > (vouched.get(match.identifier.kind) ?? 0)
      ? { ...match, assurance: 'claimed' as const }
      : match,
  )
}

async function fillUnknown(trx: Transaction<Tables>, group: Group): Promise<void> {
  const contact = group.contact!
  if (group.isNew) return
  const sender = group.senders.find((one) => one.sender.name !== undefined)?.sender
  if (sender?.name === undefined || contact.name !== null) return
  const name = short(sender.name)
  group.contact = { ...contact, name }
  await fillProfile(trx, {
    id: contact.id,
    name,
    language: short(sender.profile?.language),
    timeZone: short(sender.profile?.timeZone),
  })
}

function short(text: string | undefined): string | null {
  const trimmed = text?.trim() ?? ''
  return trimmed === '' ? null : trimmed.slice(0, 200)
}
