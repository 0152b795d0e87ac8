import { ThroughlineError } from '../errors.js'

/** A place in a list ordered by (time, id). The time is PostgreSQL's own text, which keeps microseconds; a Date does not. */
export interface Place {
  readonly at: string
  readonly id: string
}

export const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$/

/** SQL that writes a time as a place holds it. */
export function placeTime(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

/** Opaque to callers. */
export function encodePlace(place: Place): string {
  return Buffer.from(JSON.stringify([place.at, place.id])).toString('base64url')
}

export function decodePlace(cursor: string | undefined): Place | null {
  if (cursor === undefined) return null
  try {
    const [at, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [unknown, unknown]
    const known = typeof at === 'string' && time.test(at) && !Number.isNaN(Date.parse(at))
    if (known && typeof id === 'string' && uuid.test(id)) return { at, id }
  } catch {
    // Falls through to the one answer for every cursor that is not ours.
  }
  throw new ThroughlineError('TL_REQUEST_INVALID', 'the cursor is not one of this list; start again without it')
}
