import type { Lifecycle } from './define.js'

/** A wake-up. Any hint may be lost, doubled, late or forged: the receiver only looks. At most 1 kB, no customer data. */
export interface Hint {
  /** `events`, `jobs`, `presence`, `config`; `*`: anything may have changed, look everywhere. */
  readonly topic: string
  /** Node that said it; a node drops its own. */
  readonly node: string
  readonly position?: string
  readonly key?: string
}

export interface Bus extends Lifecycle {
  /** After commit, never inside a transaction; given 1 s. A rejection costs latency, not data. */
  publish(hint: Hint): Promise<void>
  /** Once per node at start. `receive` returns at once and never throws. After every (re)connect call it with `*`. */
  subscribe(receive: (hint: Hint) => void): () => void
}
