import { ThroughlineError } from '../errors.js'

/** What comes in: one JSON object a text frame. */
export interface Frame {
  readonly t: string
  readonly id?: string
  readonly d: unknown
  readonly ifVersion?: number
}

export const limits = Object.freeze({
  maxFrame: 65_536,
  maxHello: 4_096,
  maxDepth: 32,
  helloMs: 5_000,
  heartbeatMs: 15_000,
  inflight: 32,
  ratePerSecond: 20,
  rateBurst: 60,
  /** Bytes a slow client may leave unread; over it for 5 s it is closed and resumes. */
  bufferBytes: 1_048_576,
  slowMs: 5_000,
  strikes: 3,
})

/** Close codes that tell the client what to do. */
export const closeCodes = Object.freeze({
  malformed: 4400,
  ticket: 4401,
  origin: 4403,
  helloTimeout: 4408,
  superseded: 4409,
  tooBig: 4413,
  tooMuch: 4429,
  slow: 4440,
  drain: 4450,
  revoked: 4499,
})

export function parseFrame(data: Buffer, binary: boolean): Frame {
  if (binary) throw new ThroughlineError('TL_SOCKET_BAD_FRAME', 'frames are text, not binary')
  if (tooDeep(data))
    throw new ThroughlineError('TL_SOCKET_BAD_FRAME', `a frame is nested ${limits.maxDepth} levels at most`)
  let value: unknown
  try {
    value = JSON.parse(data.toString('utf8'), (key, item: unknown) =>
      key === '__proto__' || key === 'constructor' || key === 'prototype' ? undefined : item,
    )
  } catch {
    throw new ThroughlineError('TL_SOCKET_BAD_FRAME', 'the frame is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ThroughlineError('TL_SOCKET_BAD_FRAME', 'a frame is one JSON object')
  }
  const { t, id, d, ifVersion } = value as { t?: unknown; id?: unknown; d?: unknown; ifVersion?: unknown }
  if (typeof t !== 'string' || t.length === 0 || t.length > 60)
    throw new ThroughlineError('TL_SOCKET_BAD_FRAME', '/t must name the type')
  if (id !== undefined && (typeof id !== 'string' || id.length > 100)) {
    throw new ThroughlineError('TL_SOCKET_BAD_FRAME', '/id must be a string of at most 100 characters')
  }
  if (ifVersion !== undefined && !Number.isSafeInteger(ifVersion))
    throw new ThroughlineError('TL_SOCKET_BAD_FRAME', '/ifVersion must be a whole number')
  return {
    t,
    d: d ?? {},
    ...(id === undefined ? {} : { id }),
    ...(ifVersion === undefined ? {} : { ifVersion: ifVersion as number }),
  }
}

/** Counted over the bytes before parsing, so that a tower of brackets costs nothing. Strings are skipped. */
function tooDeep(data: Buffer): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < data.length; i++) {
    const byte = data[i]
    if (inString) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limits.maxDepth) return true
    } else if (byte === 0x5d || byte === 0x7d) depth--
  }
  return false
}
