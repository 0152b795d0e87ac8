import type { Assurance, IdentityQuery, Match } from '@throughline/plugin-sdk'
import { normalEmail } from './email.js'
import { compactPhone, normalPhone } from './phone.js'

export type ResolveOptions = { readonly defaultCountry?: string; readonly foldGmail: boolean }

/** Kinds that come and go with a browser or an app: they point to a device before they point to a person. */
const temporary = new Set(['device', 'cookie', 'visitor', 'session'])
const names: Readonly<Record<string, string>> = { phone: 'phone number', email: 'e-mail address' }
const confidences = { verified: 1, claimed: 0.6, hint: 0.5, temporary: 0.3 }

/**
 * The normal forms of what a sender shows. Pure and synchronous, so that the drain never waits for it. The assurance of an
 * answer is at most what the channel gave: a claimed sender has only claimed identifiers, and what stands in the message
 * itself (`hints`) is claimed whatever the channel says of the sender.
 */
export function resolve(query: IdentityQuery, options: ResolveOptions): readonly Match[] {
  const matches = new Map<string, Match>()
  const add = (match: Match) => {
    const key = `${match.identifier.kind}\u0000${match.identifier.value}`
    const known = matches.get(key)
    if (known === undefined || (known.assurance === 'claimed' && match.assurance === 'verified'))
      matches.set(key, match)
  }
  for (const identifier of query.sender.identifiers ?? []) {
    const assurance = lower(identifier.assurance ?? 'verified', query.sender.assurance ?? 'verified')
    const kind = identifier.kind.trim().toLowerCase()
    const value = normalValue(kind, identifier.value, assurance, options)
    if (kind === '' || value === undefined) continue
    const confidence = temporary.has(kind) ? confidences.temporary : confidences[assurance]
    add({ identifier: { kind, value }, assurance, confidence, evidence: evidence(query.channel, kind, assurance) })
  }
  for (const kind of ['email', 'phone'] as const) {
    const written = Object.hasOwn(query.hints, kind) ? query.hints[kind] : undefined
    const value = typeof written === 'string' ? normalValue(kind, written, 'claimed', options) : undefined
    if (value === undefined) continue
    const sentence = `The customer wrote this ${names[kind]} in a message on ${query.channel}; nobody vouches for it.`
    add({ identifier: { kind, value }, assurance: 'claimed', confidence: confidences.hint, evidence: sentence })
  }
  return [...matches.values()]
}

const lower = (a: Assurance, b: Assurance): Assurance => (a === 'verified' && b === 'verified' ? 'verified' : 'claimed')

function evidence(channel: string, kind: string, assurance: Assurance): string {
  const name = names[kind] ?? `${kind} identifier`
  return assurance === 'verified'
    ? `${channel} vouches for the ${name}.`
    : `The sender gave this ${name} on ${channel}; nobody vouches for it.`
}

function normalValue(kind: string, written: string, assurance: Assurance, options: ResolveOptions): string | undefined {
  if (kind === 'phone')
    return (
      normalPhone(written, options.defaultCountry) ?? (assurance === 'verified' ? compactPhone(written) : undefined)
    )
  if (kind === 'email') return normalEmail(written, options)
  const value = written.normalize('NFC').trim()
  // PostgreSQL stores no NUL, and no network's id is that long.
  return value === '' || value.length > 512 || value.includes('\u0000') ? undefined : value
}
