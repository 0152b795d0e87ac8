import type { InboundEvent } from '@throughline/plugin-sdk'

/**
 * The lane of an event: whatever must stay in order, named by what ingress knows without touching identity. Computed once,
 * stored in the row, never recomputed. Events of one thread share it; receipts follow their message, not the thread.
 */
export function laneOf(channel: string, event: InboundEvent, externalId: string): string {
  if ('thread' in event && event.thread !== undefined) return `${channel}/${event.thread.id}`
  if ('sender' in event) return `${channel}/${event.sender.id}`
  if (event.type === 'receipt') return `${channel}/~${event.target}`
  return `${channel}/?${externalId}`
}

/** FNV-1a over the lane's UTF-16 units, modulo the installation's number of shards. */
export function shardOf(lane: string, shards: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < lane.length; i++) {
    hash ^= lane.charCodeAt(i)
    hash = Math.imul(hash, 0x01000193)
  }
  return (hash >>> 0) % shards
}
