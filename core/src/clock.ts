/** The engine's view of time and chance. Injected everywhere, so that tests decide both. Leases use database time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

export const systemClock: Clock = Object.freeze({ now: () => Date.now() })
