import type { Sender } from '@throughline/plugin-sdk'
import { isTemporary, keyId, type Key } from './keys.js'
import type { LockedContact } from './resolve-store.js'

/** One sender of a batch. */
export interface SenderInput {
  readonly channel: string
  readonly sender: Sender
}
export interface PreparedSender extends SenderInput {
  readonly keys: readonly Key[]
}

/** Senders of a batch that are one person. */
export interface Group {
  senders: PreparedSender[]
  keys: Key[]
  contact: LockedContact | null
  isNew: boolean
}

/** Senders that share a resolving key are one person; an album of five photos makes one contact, not five. */
export function groupByKeys(senders: readonly PreparedSender[]): Group[] {
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
