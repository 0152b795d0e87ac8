import type { Clock } from '../clock.js'
import { limits } from './frames.js'

/** How fast one session may send commands: so many a second, and a burst when it was quiet before. */
export class Pace {
  readonly #clock: Clock
  #tokens: number = limits.rateBurst
  #refilled: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#refilled = clock.now()
  }

  /** false: too fast; nothing is used up. */
  admit(): boolean {
    const now = this.#clock.now()
    this.#tokens = Math.min(limits.rateBurst, this.#tokens + ((now - this.#refilled) / 1000) * limits.ratePerSecond)
    this.#refilled = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
