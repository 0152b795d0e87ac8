import type { Assurance, Match, Sender } from '@throughline/plugin-sdk'

/** One identifier of a sender in its normal form. */
export interface Key {
  readonly kind: string
  readonly value: string
  readonly assurance: Assurance
  readonly evidence: string
  readonly confidence: number
  /**
   * Decides which contact an event belongs to. Verified identifiers do. So does the sender key of a claimed sender: it leads
   * back to the same unverified contact, and never to anybody else's (P11).
   */
  readonly resolves: boolean
}

/** Kinds that come and go: they never join two contacts that stronger identifiers tell apart. */
const temporary = new Set(['device', 'cookie', 'session'])
/** One person has one: two different verified values are two people. */
const exclusive = new Set(['account'])

export function isTemporary(kind: string): boolean {
  return temporary.has(kind) || kind.startsWith('sender:')
}

export function isExclusive(kind: string): boolean {
  return exclusive.has(kind)
}

/** Order of strength for choosing whom an event belongs to: account and what networks vouch for, then temporary ones. */
export function strength(key: { readonly kind: string; readonly assurance: Assurance }): number {
  if (key.assurance === 'claimed') return 0
  if (key.kind.startsWith('sender:')) return 2
  if (isTemporary(key.kind)) return 1
  return exclusive.has(key.kind) ? 4 : 3
}

export function keyId(key: { readonly kind: string; readonly value: string; readonly assurance: string }): string {
  return `${key.kind}\n${key.value}\n${key.assurance}`
}

const MAX_VALUE = 512

/**
 * The keys of one sender: its own id on the channel, what the channel reported, in the identity plugin's normal form. A
 * plugin cannot raise an assurance: of the channel's and the plugin's the lower one holds.
 */
export function keysOf(channel: string, sender: Sender, matches: readonly Match[]): readonly Key[] {
  const keys = new Map<string, Key>()
  const add = (key: Key) => {
    if (key.value === '' || key.value.length > MAX_VALUE) return
    const id = keyId(key)
    if (!keys.has(id)) keys.set(id, key)
  }
  const own: Assurance = sender.assurance ?? 'verified'
  add({
    kind: `sender:${channel}`,
    value: sender.id,
    assurance: own,
    evidence:
      own === 'verified'
        ? `the channel ${channel} vouches for its sender`
        : `the channel ${channel} cannot vouch for the sender`,
    confidence: 1,
    resolves: true,
  })
  for (const match of matches) {
    add({
      kind: match.identifier.kind,
      value: match.identifier.value,
      assurance: match.assurance,
      evidence: match.evidence,
      confidence: match.confidence,
      resolves: match.assurance === 'verified',
    })
  }
  return [...keys.values()]
}
