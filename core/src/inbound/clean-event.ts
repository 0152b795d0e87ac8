import { createHash } from 'node:crypto'
import type { InboundEvent } from '@throughline/plugin-sdk'

const MAX_ID = 512
const MAX_DEPTH = 32
const EARLIEST = Date.UTC(2000, 0, 1)

/** An event as the inbox keeps it: JSON text PostgreSQL takes, ids of bounded length, a time that exists. */
export interface CleanEvent {
  readonly externalId: string
  readonly json: string
}

/**
 * Makes an event storable without losing any of it: NUL and lone surrogates (which PostgreSQL refuses) become U+FFFD, an
 * over-long id its hash, an impossible time the time of receipt. The raw body keeps what the sender really wrote.
 */
export function cleanEvent(event: InboundEvent, receivedAt: number): CleanEvent {
  const at = event.at instanceof Date ? event.at.getTime() : Number(event.at)
  const time = Number.isFinite(at) && at >= EARLIEST ? Math.min(endOfTick(at), receivedAt) : receivedAt
  const id = cleanId(event.id)
  let json = JSON.stringify({ ...event, id, at: time })
  if (json.includes('\\u') && /\\u(0000|d[89a-f])/i.test(json))
    json = JSON.stringify(cleanValue({ ...event, id, at: time }, 0))
  return { externalId: id, json }
}

/**
 * Many networks count in whole seconds. Taken literally, a mail would stand before the chat message that was written in the
 * same second; so a whole second counts as its end, and never as later than it came.
 */
function endOfTick(at: number): number {
  return at % 1000 === 0 ? at + 999 : at
}

/** The dedupe key; the same input always gives the same key. */
export function cleanId(id: unknown): string {
  const text = cleanText(typeof id === 'string' ? id : String(id))
  return text.length <= MAX_ID ? text : `sha256:${createHash('sha256').update(text).digest('hex')}`
}

export function cleanText(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (value === null || typeof value !== 'object') return value
  if (depth >= MAX_DEPTH) return null
  if (value instanceof Date) return value.getTime()
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, depth + 1))
  const clean: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) clean[cleanText(key)] = cleanValue(item, depth + 1)
  return clean
}
