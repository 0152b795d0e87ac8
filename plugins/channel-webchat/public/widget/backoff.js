const FIRST_MS = 500
const LONGEST_MS = 30_000

/**
 * Full jitter: a random time below a bound that doubles. Clients cut off together do not come back together.
 * @param {number} attempt 0 for the first wait
 * @param {() => number} [random]
 */
export function backoffMs(attempt, random = Math.random) {
  return Math.round(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16)))
}

/** Waits, or less when the signal aborts or somebody calls `hurry`. */
export function pause(ms, { signal, hurry } = {}) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
    hurry?.(done)
    if (signal?.aborted) done()
  })
}
