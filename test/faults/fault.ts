import type { Server } from './database.js'
import type { Verdict } from './ledgers.js'

export interface Budget {
  /** Seconds of mischief. */
  readonly seconds: number
  readonly short: boolean
}

export interface Outcome {
  /** Times the fault was brought about. */
  readonly runs: number
  readonly verdict: Verdict
  /** From the end of the fault (or the death) to the next message on an agent's screen, in milliseconds; one a run. */
  readonly recoveriesMs: readonly number[]
  /** What else had to hold and did not. */
  readonly broken: readonly string[]
}

/** One row of the fault table. */
export interface Fault {
  readonly id: string
  readonly what: string
  /** What the suite does. */
  readonly how: string
  /** Part of the short form. */
  readonly short: boolean
  run(server: Server, budget: Budget): Promise<Outcome>
}
