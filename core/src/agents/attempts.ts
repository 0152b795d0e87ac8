import type { Clock } from '../clock.js'

export interface Attempts {
  /** Counts a sign-in from an address; milliseconds to wait, 0 = go on. */
  take(ip: string): number
  succeeded(ip: string): void
}

const BURST = 20
const REFILL_MS = 6_000
const MAX_ADDRESSES = 10_000

/** A token bucket an address, in this node's memory: 20 at once, then one every 6 s. The account has a lock of its own. */
export function createAttempts(clock: Clock): Attempts {
  const buckets = new Map<string, { tokens: number; at: number }>()
  return {
    take(ip) {
      const now = clock.now()
      const known = buckets.get(ip) ?? { tokens: BURST, at: now }
      const tokens = Math.min(BURST, known.tokens + (now - known.at) / REFILL_MS)
      if (buckets.size >= MAX_ADDRESSES && !buckets.has(ip)) buckets.delete(buckets.keys().next().value!)
      buckets.set(ip, { tokens: Math.max(0, tokens - 1), at: now })
      return tokens >= 1 ? 0 : Math.ceil((1 - tokens) * REFILL_MS)
    },
    succeeded(ip) {
      buckets.delete(ip)
    },
  }
}
