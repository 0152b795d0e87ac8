import type { RawRequest } from '@throughline/plugin-sdk'
import { Problem } from './problem.js'

export type Body = Readonly<Record<string, unknown>>

/** The body as a JSON object. An empty body counts as an empty object. */
export function readBody(request: RawRequest): Body {
  if (request.body.length === 0) return {}
  let value: unknown
  try {
    value = request.json()
  } catch {
    throw new Problem('body_invalid', 'The body must be JSON in UTF-8')
  }
  return asObject(value, 'The body')
}

export function asObject(value: unknown, what: string): Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('body_invalid', `${what} must be an object`)
  }
  return value as Body
}
