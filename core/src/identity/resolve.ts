import type { Kysely, Transaction } from 'kysely'
import type { Identity, Logger } from '@throughline/plugin-sdk'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Instance } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { askPlugins } from './ask-plugins.js'
import { chooseContact, type Join } from './choose-contact.js'
import { keyId, strength } from './keys.js'
import {
  fillProfile,
  findAndLock,
  insertContacts,
  insertIdentifiers,
  type FoundKey,
  type LockedContact,
  type NewIdentifier,
} from './resolve-store.js'
import { groupByKeys, resolvingKeys, type Group, type PreparedSender, type SenderInput } from './senders.js'
import { suggestJoins } from './suggest.js'

export interface ResolverDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly ids: Ids
  readonly log: Logger
  readonly plugins: () => readonly Instance<Identity>[]
  readonly join: Join
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

export class IdentityResolver {
  readonly #deps: ResolverDeps

  constructor(deps: ResolverDeps) {
    this.#deps = deps
  }

  /** Before the transaction: asks the identity plugins for normal forms. A failing one is left out, never waited for. */
  prepare(inputs: readonly SenderInput[]): Promise<PreparedSender[]> {
    return askPlugins(this.#deps, inputs)
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
    for (const group of groups) group.contact = await chooseContact(trx, this.#deps.join, group, found, locked, events)

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

  /** After the commit: proposes joins where one contact claims what another holds verified. May run twice. */
  suggest(told: readonly NewIdentifier[]): Promise<void> {
    return suggestJoins(this.#deps, told)
  }
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
