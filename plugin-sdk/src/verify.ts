import { createHmac, timingSafeEqual } from 'node:crypto'
import type { RawRequest } from './request.js'

/** `missing`: nothing to check was sent. `invalid`: it does not match. Both answer 401 and store nothing. */
export type Verification = 'ok' | 'missing' | 'invalid'
export type Verifier = {
  readonly scheme: string
  readonly verify: (request: RawRequest) => Verification | Promise<Verification>
  /** Why this channel cannot sign; only from `unverified()`. Shown in /v1/admin/plugins. */
  readonly unverifiedBecause?: string
  /** Signs a body the way the provider would; used by `plugin simulate --sign` and the conformance kit. */
  readonly sign?: (request: {
    readonly body: Uint8Array
    readonly url: string
    readonly at: number
  }) => Readonly<Record<string, string>>
}

/** Equal in constant time; false for other lengths. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Buffer.from stops silently at what it cannot decode; a signature with anything behind it is not a signature. */
function decodeExactly(text: string, encoding: 'hex' | 'base64'): Buffer | null {
  const bytes = Buffer.from(text, encoding)
  return bytes.toString(encoding).length === text.length ? bytes : null
}

/** HMAC over the raw body in one header, e.g. `{ header: 'x-hub-signature-256', prefix: 'sha256=', … }`. */
export function hmac(options: {
  readonly header: string
  readonly algorithm: 'sha1' | 'sha256' | 'sha512'
  readonly encoding: 'hex' | 'base64'
  /** Several while a key is being rotated: any of them may match. */
  readonly secret: string | readonly string[]
  readonly prefix?: string
}): Verifier {
  const secrets = typeof options.secret === 'string' ? [options.secret] : options.secret
  const prefix = options.prefix ?? ''
  const digest = (secret: string, body: Uint8Array) => createHmac(options.algorithm, secret).update(body).digest()
  return {
    scheme: `hmac-${options.algorithm}`,
    verify(request) {
      const header = request.headers[options.header]
      if (header === undefined || header === '') return 'missing'
      if (!header.startsWith(prefix)) return 'invalid'
      const given = decodeExactly(header.slice(prefix.length), options.encoding)
      return given && secrets.some((secret) => equalBytes(given, digest(secret, request.body))) ? 'ok' : 'invalid'
    },
    sign: ({ body }) => ({ [options.header]: prefix + digest(secrets[0] ?? '', body).toString(options.encoding) }),
  }
}

/** A shared secret sent as it is in a header (Telegram). */
export function token(options: { readonly header: string; readonly secret: string | readonly string[] }): Verifier {
  const secrets = (typeof options.secret === 'string' ? [options.secret] : options.secret).map((s) => Buffer.from(s))
  return {
    scheme: 'token',
    verify(request) {
      const header = request.headers[options.header]
      if (header === undefined || header === '') return 'missing'
      const given = Buffer.from(header)
      return secrets.some((secret) => equalBytes(given, secret)) ? 'ok' : 'invalid'
    },
    sign: () => ({ [options.header]: secrets[0]?.toString() ?? '' }),
  }
}

/** HTTP Basic authentication. */
export function basic(options: { readonly user: string; readonly password: string }): Verifier {
  const expected = Buffer.from(`Basic ${Buffer.from(`${options.user}:${options.password}`).toString('base64')}`)
  return {
    scheme: 'basic',
    verify(request) {
      const header = request.headers['authorization']
      if (header === undefined || header === '') return 'missing'
      return equalBytes(Buffer.from(header), expected) ? 'ok' : 'invalid'
    },
    sign: () => ({ authorization: expected.toString() }),
  }
}

/**
 * Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>` over `id.timestamp.body`.
 * Refuses timestamps more than `toleranceS` (default 300) away from the time the request came.
 */
export function standardWebhooks(options: {
  readonly secret: string | readonly string[]
  readonly toleranceS?: number
}): Verifier {
  const keys = (typeof options.secret === 'string' ? [options.secret] : options.secret).map((secret) =>
    secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret),
  )
  return {
    scheme: 'standard-webhooks',
    verify(request) {
      const id = request.headers['webhook-id']
      const stamp = request.headers['webhook-timestamp']
      const header = request.headers['webhook-signature']
      if (!id || !stamp || !header) return 'missing'
      if (!/^\d{1,12}$/.test(stamp)) return 'invalid'
      if (Math.abs(request.receivedAt / 1000 - Number(stamp)) > (options.toleranceS ?? 300)) return 'invalid'
      const expected = keys.map((key) => standardWebhookMac(key, id, stamp, request.body))
      const ok = header.split(' ').some((candidate) => {
        if (!candidate.startsWith('v1,')) return false
        const given = decodeExactly(candidate.slice(3), 'base64')
        return given !== null && expected.some((mac) => equalBytes(given, mac))
      })
      return ok ? 'ok' : 'invalid'
    },
    sign({ body, at }) {
      const stamp = String(Math.floor(at / 1000))
      const id = `msg_${createHmac('sha256', 'id').update(body).digest('hex').slice(0, 24)}`
      const mac = standardWebhookMac(keys[0] ?? Buffer.alloc(0), id, stamp, body)
      return { 'webhook-id': id, 'webhook-timestamp': stamp, 'webhook-signature': `v1,${mac.toString('base64')}` }
    },
  }
}

/** The MAC of Standard Webhooks; also for signing outgoing webhooks. */
export function standardWebhookMac(key: Uint8Array, id: string, timestamp: string, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
}

/** A scheme of the network's own. */
export function custom(scheme: string, verify: Verifier['verify'], sign?: Verifier['sign']): Verifier {
  return sign === undefined ? { scheme, verify } : { scheme, verify, sign }
}

/** A network that cannot sign. Says why; the instance is shown as unverified wherever it is listed. */
export function unverified(because: string): Verifier {
  return { scheme: 'unverified', verify: () => 'ok', unverifiedBecause: because, sign: () => ({}) }
}
