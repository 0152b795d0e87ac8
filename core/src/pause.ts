import { setTimeout as delay } from 'node:timers/promises'

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
