import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.js'

/** Maker of ids. UUIDv7: sorted by time, so that primary keys append instead of scattering over the index. */
export type Ids = () => string

/** Ids of one node: strictly ascending within the process, also within one millisecond (12-bit counter of RFC 9562). */
export function createIds(clock: Clock, random: (size: number) => Buffer = randomBytes): Ids {
  let lastMs = 0
  let counter = 0
  let pool = random(8 * 256)
  let offset = 0
  return () => {
    if (offset + 8 > pool.length) {
      pool = random(8 * 256)
      offset = 0
    }
    const tail = pool.subarray(offset, offset + 8)
    offset += 8
    const now = clock.now()
    if (now > lastMs) {
      lastMs = now
      counter = tail.readUInt16BE(0) & 0x7ff
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
    }
    const time = lastMs.toString(16).padStart(12, '0')
    const sequence = (0x7000 | counter).toString(16)
    const variant = (0x8000 | (tail.readUInt16BE(0) & 0x3fff)).toString(16)
    return `${time.slice(0, 8)}-${time.slice(8)}-${sequence}-${variant}-${tail.toString('hex', 2)}`
  }
}
