import { normalizeDomain } from './addresses.js'

/** One `method=result` of an Authentication-Results header with its properties. */
export type AuthResult = {
  readonly method: string
  readonly result: string
  readonly properties: ReadonlyMap<string, string>
}

const MAX_VALUE = 8192

/**
 * Parses an Authentication-Results value (RFC 8601). Comments are dropped and quoted strings made harmless, because both
 * may carry text of the sender's choosing such as `dkim=fail (dkim=pass header.d=bank.example)`. null: not well formed.
 */
export function parseAuthenticationResults(
  value: string,
): { readonly authserv: string; readonly results: readonly AuthResult[] } | null {
  if (value.length > MAX_VALUE) return null
  const plain = withoutComments(value)
  if (plain === null) return null
  const [head = '', ...rest] = plain.split(';')
  const authserv = head.trim().split(/\s+/)[0]?.toLowerCase() ?? ''
  if (authserv === '' || authserv.includes('=')) return null
  const results: AuthResult[] = []
  for (const segment of rest) {
    const words = segment.replace(/\s+/g, ' ').replaceAll(' =', '=').replaceAll('= ', '=').trim().split(' ')
    const [first = '', ...properties] = words
    const [method = '', result = ''] = split(first)
    if (method === '' || result === '') continue
    const map = new Map<string, string>()
    for (const word of properties) {
      const [key, text] = split(word)
      if (key !== '' && text !== '' && !map.has(key)) map.set(key, text)
    }
    results.push({ method: method.split('/')[0] as string, result, properties: map })
  }
  return { authserv, results }
}

function split(word: string): readonly [string, string] {
  const equals = word.indexOf('=')
  return equals < 1 ? ['', ''] : [word.slice(0, equals).toLowerCase(), word.slice(equals + 1).toLowerCase()]
}

/** null: a comment or a quoted string does not end. */
function withoutComments(value: string): string | null {
  let out = ''
  let depth = 0
  let quoted = false
  for (let i = 0; i < value.length; i++) {
    const char = value[i] as string
    if (char === '\\' && (quoted || depth > 0)) {
      i++
      if (quoted && depth === 0) out += '_'
    } else if (quoted) {
      if (char === '"') quoted = false
      else out += /[\s;=()]/.test(char) ? '_' : char
    } else if (char === '(') {
      depth++
      if (depth === 1) out += ' '
    } else if (char === ')' && depth > 0) depth--
    else if (depth === 0) {
      if (char === '"') quoted = true
      else out += char
    }
  }
  return depth === 0 && !quoted ? out : null
}

/**
 * True when one of our own mail servers vouches for the domain of the From line: DMARC passed for it, or a DKIM signature of
 * it or of a domain above it did. Only the topmost header of a trusted server counts: servers write theirs on top, so
 * whatever stands below could have been sent along.
 */
export function vouchedFor(fromDomain: string, headers: readonly string[], trusted: readonly string[]): boolean {
  if (trusted.length === 0) return false
  const names = trusted.map((name) => name.trim().toLowerCase())
  for (const value of headers) {
    const parsed = parseAuthenticationResults(value)
    // A header that cannot be read may be a trusted one that somebody damaged: believe nothing below it.
    if (parsed === null) return false
    if (names.includes(parsed.authserv)) return passes(fromDomain, parsed.results)
  }
  return false
}

function passes(fromDomain: string, results: readonly AuthResult[]): boolean {
  const dmarc = results.filter(({ method }) => method === 'dmarc')
  // A DMARC failure outweighs any signature; two answers are none.
  if (dmarc.length > 0) {
    const [only] = dmarc
    if (dmarc.length > 1 || only?.result !== 'pass') {
      if (dmarc.some(({ result }) => result !== 'none' && result !== 'bestguesspass')) return false
    } else return normalizeDomain(only.properties.get('header.from') ?? '') === fromDomain
  }
  return results.some(({ method, result, properties }) => {
    if (method !== 'dkim' || result !== 'pass') return false
    const identity = properties.get('header.i') ?? ''
    const domain = properties.get('header.d') ?? identity.slice(identity.lastIndexOf('@') + 1)
    return aligned(fromDomain, normalizeDomain(domain) ?? '')
  })
}

/** The signing domain is the From domain or one above it; never below: whoever owns a.example.com does not own example.com. */
function aligned(fromDomain: string, signer: string): boolean {
  return signer.includes('.') && (fromDomain === signer || fromDomain.endsWith(`.${signer}`))
}
