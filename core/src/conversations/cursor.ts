import { ThroughlineError } from '../errors.js'

/** A place in a list ordered by (time, id), opaque to callers. Microseconds are kept: it is PostgreSQL's own text. */
export interface Place {
  readonly at: string
  readonly id: string
}

export function encodePlace(at: Date, id: string): string {
  return Buffer.from(JSON.stringify([at.toISOString(), id])).toString('base64url')
}

export function decodePlace(cursor: string | undefined): Place | null {
  if (cursor === undefined) return null
  try {
    const [at, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [unknown, unknown]
    if (typeof at === 'string' && !Number.isNaN(Date.parse(at)) && typeof id === 'string' && uuid.test(id))
      return { at, id }
  } catch {
    // Falls through to the one answer for every cursor that is not ours.
  }
  throw new ThroughlineError('TL_REQUEST_INVALID', 'the cursor is not one of this list; start again without it')
}

export const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
