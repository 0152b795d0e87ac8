import { createHmac } from 'node:crypto'
import type { Analytics, LoggedEvent } from '@throughline/plugin-sdk'

export type Pii = Analytics['pii']

/** Fields that hold ids: kept for `pseudonymous`, hashed for `none`. */
const ids: ReadonlySet<string> = new Set([
  'id', 'agent', 'assignee', 'by', 'contact', 'conversation', 'message', 'offer', 'workItem', 'touchpoint', 'part', 'send', 'into',
]) // prettier-ignore
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** A word of ours (a state, a queue, a channel's id): no spaces, no @, no +, and never digits alone. */
const word = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/
/** Words are let through under these names only: a first name is a word as well. */
const words: ReadonlySet<string> = new Set([
  'channel', 'kind', 'queue', 'priority', 'status', 'state', 'previous', 'outcome', 'direction', 'source', 'trigger', 'code', 'metric',
  'policy', 'rule', 'team', 'type', 'assurance', 'role', 'presence',
]) // prettier-ignore
const maxDepth = 4

/**
 * Cuts an event to what an analytics plugin may see. What is not known to be harmless is left out: texts, names, phone
 * numbers and addresses can stand under any key, so keys and shapes are allowed one by one. `none` also replaces ids by
 * salted hashes, different for each instance: the same customer can be counted, not looked up.
 */
export function redactEvent(event: LoggedEvent, pii: Pii, salt: Uint8Array): LoggedEvent {
  if (pii === 'full') return event
  const id = (value: string): string =>
    pii === 'pseudonymous' ? value : createHmac('sha256', salt).update(value).digest('hex').slice(0, 16)
  const maybe = (value: string | null): string | null => (value === null ? null : id(value))
  return Object.freeze({
    position: event.position,
    type: event.type,
    at: event.at,
    conversation: maybe(event.conversation),
    contact: maybe(event.contact),
    actor: Object.freeze({ kind: event.actor.kind, id: maybe(event.actor.id) }),
    data: Object.freeze(harmless(event.data, id, 0)),
  })
}

function harmless(
  data: Readonly<Record<string, unknown>>,
  id: (value: string) => string,
  depth: number,
): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(data)) {
    if (!/^[A-Za-z]\w{0,63}$/.test(key)) continue
    const clean = value === null || typeof value === 'boolean' ? value : harmlessValue(key, value, id, depth)
    if (clean !== undefined) kept[key] = clean
  }
  return kept
}

function harmlessValue(key: string, value: unknown, id: (value: string) => string, depth: number): unknown {
  switch (typeof value) {
    case 'number':
      // A phone number may come as a number: what counts or measures is smaller, or a time in ms of this century.
      return Math.abs(value) < 1e8 || /(At|Ms|Until)$/.test(key) ? value : undefined
    case 'string':
      if (uuid.test(value) || (ids.has(key) && word.test(value))) return id(value)
      return words.has(key) && word.test(value) ? value : undefined
    case 'object':
      if (depth >= maxDepth) return undefined
      if (Array.isArray(value)) {
        return value.map((item) => harmlessValue(key, item, id, depth + 1)).filter((item) => item !== undefined)
      }
      return value === null ? null : harmless(value as Record<string, unknown>, id, depth + 1)
    default:
      return undefined
  }
}
