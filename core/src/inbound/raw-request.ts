import type { RawRequest } from '@throughline/plugin-sdk'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

export type RawRequestFields = Omit<RawRequest, 'text' | 'json' | 'form'>

/** The request as plugins see it: bytes untouched, decoded only on demand. */
export function rawRequest(fields: RawRequestFields): RawRequest {
  return Object.freeze({
    ...fields,
    text: () => decoder.decode(fields.body),
    json: <T>() => parseJson<T>(decoder.decode(fields.body)),
    form: () => new URLSearchParams(decoder.decode(fields.body)),
  })
}

/** JSON with the keys that could reach a prototype left out; anything but JSON throws. */
function parseJson<T>(text: string): T {
  // The reviver costs; the search for the words tells whether it is needed.
  if (!/__proto__|constructor|prototype|\\u/.test(text)) return JSON.parse(text) as T
  return JSON.parse(text, (key, value: unknown) =>
    key === '__proto__' || key === 'constructor' || key === 'prototype' ? undefined : value,
  ) as T
}
