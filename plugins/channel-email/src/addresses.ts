import { domainToASCII } from 'node:url'
import { addressParser } from 'postal-mime'
import { cleanLine } from './clean-text.js'

export type Mailbox = { readonly address: string; readonly name: string }

/** Longer address headers are cut before parsing: nobody needs them and parsers have been slow on them. */
const MAX_HEADER = 32_768
const MAX_MAILBOXES = 200

/** Control characters, blanks and everything that has a meaning in an address list or an SMTP command. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0020\u007f-\u00a0<>(),;:\\"[\]]/

/**
 * The canonical form of an address: lower case, domain in ASCII. null: not one plain address. Quoted local parts and
 * address literals are refused on purpose: no customer has one, and they are how addresses are smuggled.
 */
export function normalizeAddress(raw: string): string | null {
  const text = raw.trim().normalize('NFC')
  if (text.length < 3 || text.length > 320 || FORBIDDEN.test(text)) return null
  const at = text.indexOf('@')
  if (at < 1 || at !== text.lastIndexOf('@')) return null
  const local = text.slice(0, at).toLowerCase()
  const domain = normalizeDomain(text.slice(at + 1))
  if (domain === null || Buffer.byteLength(local) > 64 || domain.length > 253) return null
  return `${local}@${domain}`
}

/** A domain in lower-case ASCII (punycode), without a dot at the end. null: not a domain. */
export function normalizeDomain(raw: string): string | null {
  const trimmed = raw.trim().toLowerCase()
  const name = trimmed.endsWith('.') ? trimmed.slice(0, -1) : trimmed
  if (name === '' || name.length > 253 || FORBIDDEN.test(name)) return null
  const ascii = domainToASCII(name)
  if (ascii === '' || ascii.startsWith('.') || ascii.includes('..')) return null
  return /^[a-z0-9._-]+$/.test(ascii) ? ascii : null
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}

/** The mailboxes of an address header, groups flattened, names decoded. What is no address is left out. */
export function parseMailboxes(header: string): readonly Mailbox[] {
  const found: Mailbox[] = []
  for (const entry of addressParser(header.slice(0, MAX_HEADER), { flatten: true })) {
    if (found.length >= MAX_MAILBOXES) break
    const address = normalizeAddress(entry.address ?? '')
    if (address !== null) found.push({ address, name: cleanLine(entry.name, 200) })
  }
  return found
}

/** The addresses of a header as written, case kept: reply tokens are case-sensitive. */
export function rawAddresses(header: string): readonly string[] {
  return addressParser(header.slice(0, MAX_HEADER), { flatten: true })
    .slice(0, MAX_MAILBOXES)
    .map((entry) => (entry.address ?? '').trim())
    .filter((address) => address !== '')
}

/** Our own address with a plus-part: `support+token@example.com` → `token`; '' without one; null: not ours. */
export function plusPart(address: string, own: OwnAddress): string | null {
  const at = address.lastIndexOf('@')
  if (at < 1) return null
  const domain = normalizeDomain(address.slice(at + 1))
  if (domain === null || !own.domains.includes(domain)) return null
  const local = address.slice(0, at)
  const plus = local.indexOf('+')
  const name = (plus < 0 ? local : local.slice(0, plus)).normalize('NFC').toLowerCase()
  if (name !== own.local) return null
  return plus < 0 ? '' : local.slice(plus + 1)
}

/** The mailbox this instance answers for. */
export type OwnAddress = {
  readonly address: string
  readonly local: string
  /** Domain of the address, then the reply domain where it differs. */
  readonly domains: readonly string[]
  readonly replyDomain: string
}

/** null: `address` is not an address or `replyDomain` no domain. */
export function ownAddress(address: string, replyDomain?: string): OwnAddress | null {
  const normal = normalizeAddress(address)
  if (normal === null) return null
  const domain = domainOf(normal)
  const reply = replyDomain === undefined ? domain : normalizeDomain(replyDomain)
  if (reply === null) return null
  const local = normal.slice(0, normal.lastIndexOf('@'))
  return { address: normal, local, domains: reply === domain ? [domain] : [domain, reply], replyDomain: reply }
}
