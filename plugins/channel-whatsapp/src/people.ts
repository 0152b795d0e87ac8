import { idOf, listOf, objectOf, textOf } from '@throughline/plugin-sdk'
import type { Sender, SenderIdentifier, Shape, Thread } from '@throughline/plugin-sdk'

/**
 * A person on WhatsApp has a phone number (`wa_id`, digits) or a business-scoped user id (BSUID, `DE.1234…`), mostly both.
 * People with a username may hide the number, so that `wa_id` and `from` are absent; and a BSUID may stand in `from`.
 *
 * Keys, stable over all payloads of one person as far as WhatsApp lets them be:
 * - `sender.id` is the BSUID, else the digits.
 * - `thread.id` is the digits, else the BSUID: it is also the address to send to. Groups have `group:<group_id>`.
 * Both ids are also reported as verified identifiers, so a change of key still finds the same contact.
 */
export type Person = { readonly phone?: string; readonly user?: string; readonly parent?: string }

const isDigits = (id: string): boolean => /^\d{5,20}$/.test(id)

export function personOf(phoneOrUser: unknown, user: unknown, parent: unknown): Person {
  // A lone "+" is no id at all: without its sign nothing is left.
  const first = idOf(idOf(phoneOrUser)?.replace(/^\+/, ''))
  const phone = first !== undefined && isDigits(first) ? first : undefined
  const scoped = idOf(user) ?? (phone === undefined ? first : undefined)
  const group = idOf(parent)
  return {
    ...(phone === undefined ? {} : { phone }),
    ...(scoped === undefined ? {} : { user: scoped }),
    ...(group === undefined ? {} : { parent: group }),
  }
}

export function threadOf(person: Person): Thread | undefined {
  const id = person.phone ?? person.user
  return id === undefined ? undefined : { id, kind: 'direct' }
}

export function identifiersOf({ phone, user, parent }: Person): readonly SenderIdentifier[] {
  const identifiers: SenderIdentifier[] = []
  if (phone !== undefined) identifiers.push({ kind: 'phone', value: `+${phone}` })
  for (const value of [user, parent]) if (value !== undefined) identifiers.push({ kind: 'whatsapp-user', value })
  return identifiers
}

/** The message's sender, with what the `contacts` list of the same change says of that very person. */
export function senderOf(message: Shape, contacts: readonly unknown[]): { sender: Sender; thread: Thread } | undefined {
  const own = personOf(message['from'], message['from_user_id'], message['from_parent_user_id'])
  const contact = contacts.map(objectOf).find((candidate) => isSame(own, candidate, contacts.length))
  const known = contact === undefined ? {} : personOf(contact['wa_id'], contact['user_id'], contact['parent_user_id'])
  const person: Person = { ...known, ...own }
  const id = person.user ?? person.phone
  const thread = threadOf(person)
  if (id === undefined || thread === undefined) return undefined
  const name = textOf(objectOf(contact?.['profile'])['name'])
  const username = textOf(objectOf(contact?.['profile'])['username'])
  const attributes = { ...(username === undefined ? {} : { username }), ...referralOf(message) }
  const sender: Sender = {
    id,
    identifiers: identifiersOf(person),
    ...(name === undefined ? {} : { name }),
    ...(Object.keys(attributes).length === 0 ? {} : { profile: { attributes } }),
  }
  const group = idOf(message['group_id'])
  return {
    sender,
    thread: group === undefined || group.length > 500 ? thread : { id: `group:${group}`, kind: 'group' },
  }
}

/**
 * One id in common makes it the same person. A contact with other ids never lends its own to the sender: that would join
 * two customers. Only a message without any id takes the single contact there is.
 */
function isSame(own: Person, contact: Shape, count: number): boolean {
  const other = personOf(contact['wa_id'], contact['user_id'], contact['parent_user_id'])
  if (own.phone === undefined && own.user === undefined) return count === 1
  if (own.phone !== undefined && other.phone !== undefined) return own.phone === other.phone
  return own.user !== undefined && own.user === other.user
}

/** The advertisement or post somebody came from: small facts that rules can route by. */
function referralOf(message: Shape): Readonly<Record<string, string>> {
  const referral = objectOf(message['referral'])
  const pairs = ['source_id', 'source_type', 'source_url', 'headline', 'ctwa_clid'].flatMap((key) => {
    const value = textOf(referral[key])
    return value === undefined ? [] : [[`referral_${key}`, value.slice(0, 500)] as const]
  })
  return Object.fromEntries(pairs)
}

/** All ids in a field that may be one id or `{previous, current}`. */
export function idsIn(value: unknown): readonly string[] {
  const candidates = typeof value === 'object' && value !== null ? Object.values(value) : [value]
  return candidates.flatMap((candidate) => idOf(candidate) ?? [])
}

/** Somebody's number or id changed: every id, old and new, on one profile. */
export function changedPerson(phones: readonly string[], users: readonly string[]): Sender | undefined {
  const digits = [...new Set(phones.map((phone) => phone.replace(/^\+/, '')).filter(isDigits))]
  const scoped = [...new Set([...users, ...phones.filter((phone) => !isDigits(phone.replace(/^\+/, '')))])]
  const id = scoped[0] ?? digits[0]
  if (id === undefined) return undefined
  const identifiers = [
    ...digits.map((value) => ({ kind: 'phone', value: `+${value}` })),
    ...scoped.map((value) => ({ kind: 'whatsapp-user', value })),
  ]
  return { id, identifiers }
}

export const contactsOf = (value: Shape): readonly unknown[] => listOf(value['contacts'])
