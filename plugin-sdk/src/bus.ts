import type { Lifecycle } from './define.js'

/**
 * A wake-up. Any hint may be lost, doubled, late, out of order or forged: the receiver only looks. As JSON at most
 * `hintBytes`; never a message's text.
 */
export interface Hint {
  /** `events`, `ephemeral` (who is typing or looking); `*`: anything may have changed, look everywhere. */
  readonly topic: string
  /** Node that said it; a node drops its own. */
  readonly node: string
  readonly position?: string
  readonly key?: string
  /** Of ephemeral hints; the bus carries it as it is and does not read it. */
  readonly data?: string
}

export interface Bus extends Lifecycle {
  /**
   * After commit, never inside a transaction; given 1 s. A rejection costs latency, not data: refuse at once while there is
   * no connection (`retryable`) instead of keeping hints for later.
   */
  publish(hint: Hint): Promise<void>
  /** Once per life of the instance. `receive` returns at once and never throws. After every (re)connect call it with `*`. */
  subscribe(receive: (hint: Hint) => void): () => void
}

/** The most a hint may take as JSON; a bus refuses what is longer with a `permanent` PluginError. */
export const hintBytes = 1024
