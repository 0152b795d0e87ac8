/**
 * Opens after 5 failures within 60 s, lets one probe through after a pause (10 s, doubling to 5 min), closes on its
 * success. Time is monotonic milliseconds.
 */
export interface Breaker {
  /** May a call go out now? null: no. While open, one caller an interval may: the probe. */
  admit(): Pass | null
  succeeded(): void
  /**
   * While open only the probe's failure counts. Calls that were on their way when it opened fail in a row when a network
   * hangs, and would shut the way for minutes because it stood still for seconds.
   */
  failed(pass: Pass): void
  readonly open: boolean
  /** Milliseconds until the next call may go out; 0: now. */
  readonly waitMs: number
}

export type Pass = 'call' | 'probe'

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
    get waitMs() {
      return openUntil === null ? 0 : Math.max(0, openUntil - now())
    },
    admit() {
      if (openUntil === null) return 'call'
      if (now() < openUntil) return null
      // The probe: the next one only after another pause, should this one never come back.
      openUntil = now() + pauseMs
      return 'probe'
    },
    succeeded() {
      openUntil = null
      failures = []
      pauseMs = firstPauseMs
    },
    failed(pass) {
      const at = now()
      if (openUntil !== null) {
        if (pass !== 'probe') return
        pauseMs = Math.min(maxPauseMs, pauseMs * 2)
        openUntil = at + pauseMs
        return
      }
      failures = [...failures.filter((time) => time > at - windowMs), at]
      if (failures.length >= threshold) openUntil = at + pauseMs
    },
  }
}
