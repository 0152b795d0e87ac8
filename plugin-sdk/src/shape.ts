import { createHash } from 'node:crypto'

/**
 * Tolerant readers for `parse`: what a network sends is never what its documentation says, and one odd field must not
 * cost the message. Each takes anything and answers with the wanted type or with nothing.
 */
export type Shape = Readonly<Record<string, unknown>>

const none: Shape = Object.freeze({})

/** The value if it is an object (not a list), else an empty one: `objectOf(a['b'])['c']` never throws. */
export function objectOf(value: unknown): Shape {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Shape) : none
}

/** The value if it is a list, else an empty one. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}

/** The value if it is a string that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A finite number, also one written as a string. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' && value.length < 40 ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

/**
 * A network's id as the core stores it: 1 to 512 characters without control characters; whole numbers become strings as
 * long as JavaScript keeps them exact.
 */
export function idOf(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  // eslint-disable-next-line no-control-regex -- control characters are what is refused here
  return typeof value === 'string' && /^[^\u0000-\u001f\u007f]{1,512}$/.test(value) ? value : undefined
}

/**
 * An id for something that has none: the same for the same content, so a redelivery is still recognised. Also for ids that
 * may grow beyond 512 characters when put together.
 */
export function contentId(prefix: string, content: unknown): string {
  const text = typeof content === 'string' ? content : (JSON.stringify(content) ?? 'undefined')
  return `${prefix}:${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
}

/**
 * When something happened: `value` in seconds or milliseconds, else `receivedAt`. A time before the year 2000 or more than
 * a day ahead is a mistake of the network and would spoil every order and every clock.
 */
export function timeOf(value: unknown, unit: 's' | 'ms', receivedAt: number): number {
  const number = numberOf(value)
  const at = number === undefined ? Number.NaN : Math.round(unit === 's' ? number * 1000 : number)
  return at >= 946_684_800_000 && at <= receivedAt + 86_400_000 ? at : receivedAt
}
