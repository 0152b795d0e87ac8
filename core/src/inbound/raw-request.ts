import type { RawRequest } from '@throughline/plugin-sdk'

const suspicious = ['__proto__', 'constructor', 'prototype', '\\u']
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

export type RawRequestFields = Omit<RawRequest, 'text' | 'json' | 'form'>

/** The request as plugins see it: bytes untouched, decoded only on demand. */
export function rawRequest(fields: RawRequestFields): RawRequest {
  return new ReceivedRequest(fields)
}

class ReceivedRequest implements RawRequest {
  readonly method
  readonly path
  readonly url
  readonly query
  readonly headers
  readonly body
  readonly ip
  readonly receivedAt

  constructor(fields: RawRequestFields) {
    this.method = fields.method
    this.path = fields.path
    this.url = fields.url
    this.query = fields.query
    this.headers = fields.headers
    this.body = fields.body
    this.ip = fields.ip
    this.receivedAt = fields.receivedAt
  }

  text(): string {
    return decoder.decode(this.body)
  }

  json<T>(): T {
    return parseJson<T>(this.text())
  }

  form(): URLSearchParams {
    return new URLSearchParams(this.text())
  }
}

/** JSON with the keys that could reach a prototype left out; anything but JSON throws. */
function parseJson<T>(text: string): T {
  // The reviver costs; the search for the words tells whether it is needed.
  if (!suspicious.some((word) => text.includes(word))) return JSON.parse(text) as T
  return JSON.parse(text, (key, value: unknown) =>
    key === '__proto__' || key === 'constructor' || key === 'prototype' ? undefined : value,
  ) as T
}
