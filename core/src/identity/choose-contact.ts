import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { isExclusive, keyId, strength, type Key } from './keys.js'
import { exclusiveValues, type FoundKey, type LockedContact } from './resolve-store.js'
import type { Group } from './senders.js'

/** Joins two contacts whose rows are locked; answers the events of it. */
export type Join = (
  trx: Transaction<Tables>,
  from: string,
  into: string,
  evidence: string,
) => Promise<readonly NewEvent[]>

/** The contact of a group: the one its keys point at; several are joined where verified identifiers say they are one. */
export async function chooseContact(
  trx: Transaction<Tables>,
  join: Join,
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
  const refused = await refusals(trx, group, ranked)
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
    events.push(...(await join(trx, from.id, into.id, key.evidence)))
    for (const row of found.values()) if (row.contact === from.id) (row as { contact: string }).contact = into.id
    survivor = into
  }
  return survivor
}

async function refusals(trx: Transaction<Tables>, group: Group, contacts: readonly string[]): Promise<Set<string>> {
  const kinds = ['account', ...group.keys.map((key) => key.kind).filter(isExclusive)]
  const held = await exclusiveValues(trx, contacts, kinds)
  const first = contacts[0]!
  const mine = new Map(held.filter((row) => row.contact === first).map((row) => [row.kind, row.value]))
  for (const key of group.keys) if (isExclusive(key.kind) && key.assurance === 'verified') mine.set(key.kind, key.value)
  return new Set(
    held
      .filter((row) => row.contact !== first && (mine.get(row.kind) ?? row.value) !== row.value)
      .map((row) => row.contact),
  )
}
