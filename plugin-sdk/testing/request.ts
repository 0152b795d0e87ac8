import type { RawRequest } from '../src/index.js'

export type RawRequestOptions = {
  readonly method?: 'GET' | 'POST'
  readonly path?: string
  /** Query of `url` when not given here. */
  readonly query?: Readonly<Record<string, string>>
  readonly url?: string
  readonly headers?: Readonly<Record<string, string>>
  /** A string or bytes as they are, URLSearchParams as a form, anything else as JSON. */
  readonly body?: unknown
  readonly ip?: string
  readonly receivedAt?: number
}

/** Where tests pretend to be: the public root of an instance. */
export const testPublicUrl = 'https://support.example.test/channels/test'

/** A request as the engine would hand it to a plugin: frozen, header names in lower case, body as bytes. */
export function rawRequest(options: RawRequestOptions = {}): RawRequest {
  const query = options.query ?? {}
  const search = new URLSearchParams(query).toString()
  const url = options.url ?? `${testPublicUrl}/webhook${search === '' ? '' : `?${search}`}`
  const { bytes, type } = bytesOf(options.body)
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value
  const text = () => new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  return Object.freeze({
    method: options.method ?? 'POST',
    path: options.path ?? '',
    url,
    query: Object.freeze(options.query ? { ...query } : Object.fromEntries(new URL(url).searchParams)),
    headers: Object.freeze(headers),
    body: bytes,
    ip: options.ip ?? '192.0.2.1',
    receivedAt: options.receivedAt ?? testEpoch,
    text,
    json: <T>() => JSON.parse(text(), (key, value: unknown) => (key === '__proto__' ? undefined : value)) as T,
    form: () => new URLSearchParams(text()),
  })
}

/** The moment every test clock starts at: 2026-01-05T12:00:00Z, a Monday. */
export const testEpoch = Date.UTC(2026, 0, 5, 12)

function bytesOf(body: unknown): { bytes: Uint8Array; type?: string } {
  if (body === undefined) return { bytes: new Uint8Array(0) }
  if (body instanceof Uint8Array) return { bytes: body }
  if (typeof body === 'string') return { bytes: new TextEncoder().encode(body) }
  if (body instanceof URLSearchParams)
    return { bytes: new TextEncoder().encode(body.toString()), type: 'application/x-www-form-urlencoded' }
  return { bytes: new TextEncoder().encode(JSON.stringify(body)), type: 'application/json' }
}
