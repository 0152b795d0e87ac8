import { domainToASCII } from 'node:url'

/**
 * One value for one mailbox: display name stripped, all of it lower case, the domain in its ASCII form. Undefined for what
 * is no address. Dots and `+tags` stay, because only the mailbox's host knows what they mean; `foldGmail` folds them for
 * the one host that says so.
 *
 * Linear in the length of the input, which is capped: addresses are a known way to stall parsers.
 */
export function normalEmail(written: string, options: { readonly foldGmail?: boolean } = {}): string | undefined {
  if (written.length > 1000) return undefined
  const address = bare(written.normalize('NFC').trim())
  const at = address.lastIndexOf('@')
  if (at < 1) return undefined
  const local = address.slice(0, at).toLowerCase().normalize('NFC')
  const domain = domainToASCII(address.slice(at + 1).replace(/\.$/, '')).toLowerCase()
  if (!isDomain(domain) || !isLocal(local)) return undefined
  const folded = options.foldGmail === true ? foldGmail(local, domain) : `${local}@${domain}`
  return folded === undefined || folded.length > 254 ? undefined : folded
}

/** `Ada Example <ada@example.test>` and `mailto:ada@example.test?subject=x` → the address in them. */
function bare(text: string): string {
  const open = text.lastIndexOf('<')
  const inner = open >= 0 && text.endsWith('>') ? text.slice(open + 1, -1).trim() : text
  if (!/^mailto:/i.test(inner)) return inner
  const query = inner.indexOf('?')
  return inner.slice(7, query < 0 ? undefined : query)
}

const isDomain = (domain: string): boolean =>
  domain.length <= 253 && domain.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))

/** Unquoted local parts only: quotes, comments and a second @ are how addresses are forged, not how people write them. */
const isLocal = (local: string): boolean => local.length <= 64 && !/[\s"(),:;<>@[\\\]\p{Cc}\p{Cf}]/u.test(local)

function foldGmail(local: string, domain: string): string | undefined {
  if (domain !== 'gmail.com' && domain !== 'googlemail.com') return `${local}@${domain}`
  const name = (local.split('+')[0] ?? '').replaceAll('.', '')
  return name === '' ? undefined : `${name}@gmail.com`
}
