/** The engine's view of time and chance. Injected everywhere, so that tests decide both. Leases use database time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** The fault suite's wrong clock; in production the variable means nothing. */
const offsetMs = process.env['NODE_ENV'] === 'test' ? Number(process.env['THROUGHLINE_CLOCK_OFFSET_MS'] ?? 0) : 0

export const systemClock: Clock = Object.freeze(
  offsetMs === 0 ? { now: () => Date.now() } : { now: () => Date.now() + offsetMs },
)
