import { setTimeout as delay } from 'node:timers/promises'

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

/**
 * Waits so many milliseconds, or until `woken` or `signal` is aborted; never throws. `AbortSignal.any` would leave a weak
 * reference behind at the longer-lived signal for every pause: a loop that is woken with each message fills memory with them.
 */
export async function pauseUntil(ms: number, woken: AbortController, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const end = () => woken.abort()
  signal.addEventListener('abort', end, { once: true })
  await delay(ms, undefined, { signal: woken.signal }).catch(() => undefined)
  signal.removeEventListener('abort', end)
}
