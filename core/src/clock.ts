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
 * A signal that is aborted with the first of `sources`, until `release`, which everybody calls who links to a signal that
 * outlives the work. `AbortSignal.any` leaves a weak reference at the longer-lived signal each time (before Node 24): with
 * one for every call into a plugin, memory only grows.
 */
export function linkSignals(...sources: readonly AbortSignal[]): { readonly signal: AbortSignal; release(): void } {
  const own = new AbortController()
  const links = sources.map((source) => {
    const end = (): void => own.abort(source.reason)
    if (source.aborted) end()
    else source.addEventListener('abort', end, { once: true })
    return () => source.removeEventListener('abort', end)
  })
  return { signal: own.signal, release: () => links.forEach((unlink) => unlink()) }
}

/** Runs under a signal that is linked to all of `sources` for as long as it takes. */
export async function underSignals<T>(
  sources: readonly AbortSignal[],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkSignals(...sources)
  try {
    return await run(link.signal)
  } finally {
    link.release()
  }
}

/** Waits so many milliseconds, or until `woken` or `signal` is aborted; never throws. */
export async function pauseUntil(ms: number, woken: AbortController, signal: AbortSignal): Promise<void> {
  await underSignals([woken.signal, signal], (either) => delay(ms, undefined, { signal: either })).catch(
    () => undefined,
  )
}
