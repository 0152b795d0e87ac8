/**
 * Opens after 5 failures within 60 s, lets one probe through after a pause (10 s, doubling to 5 min), closes on its
 * success. Time is monotonic milliseconds.
 */
export interface Breaker {
  /** May a call go out now? While open, one caller an interval gets true: the probe. */
  admit(): boolean
  succeeded(): void
  failed(): void
  readonly open: boolean
}

const windowMs = 60_000
const threshold = 5
const firstPauseMs = 10_000
const maxPauseMs = 300_000

export function createBreaker(now: () => number): Breaker {
  let failures: number[] = []
  let openUntil: number | null = null
  let pauseMs = firstPauseMs
  return {
    get open() {
      return openUntil !== null
    },
    admit() {
      if (openUntil === null) return true
      if (now() < openUntil) return false
      // The probe: the next one only after another pause, should this one never come back.
      openUntil = now() + pauseMs
      return true
    },
    succeeded() {
      openUntil = null
      failures = []
      pauseMs = firstPauseMs
    },
    failed() {
      const at = now()
      if (openUntil !== null) {
        pauseMs = Math.min(maxPauseMs, pauseMs * 2)
        openUntil = at + pauseMs
        return
      }
      failures = [...failures.filter((time) => time > at - windowMs), at]
      if (failures.length >= threshold) openUntil = at + pauseMs
    },
  }
}
