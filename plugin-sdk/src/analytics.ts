import type { Lifecycle } from './define.js'

/** One entry of the durable event log. `position` is gap-free; dedupe on it. */
export type LoggedEvent = {
  readonly position: number
  readonly type: string
  /** ms since the epoch. */
  readonly at: number
  readonly conversation: string | null
  readonly contact: string | null
  readonly actor: { readonly kind: 'customer' | 'agent' | 'bot' | 'system' | 'plugin'; readonly id: string | null }
  readonly data: Readonly<Record<string, unknown>>
}

/** At least once, in the order of positions; the core keeps the cursor and moves it after `handle` resolves. */
export interface Analytics extends Lifecycle {
  readonly events: readonly string[] | '*'
  /** Deepest data this plugin may see; the core redacts to it. */
  readonly pii: 'none' | 'pseudonymous' | 'full'
  /**
   * `installation` (default): one node at a time reads, from the beginning, with a durable cursor. `node`: every node
   * reads for itself, from now on, with a cursor in memory: for counters that are scraped from each node.
   */
  readonly scope?: 'installation' | 'node'
  readonly batch?: { readonly max: number; readonly waitMs: number }
  handle(batch: readonly LoggedEvent[], signal: AbortSignal): Promise<void>
  /** A text exposition served by the engine, e.g. for /metrics. */
  exposition?(): Promise<{ readonly contentType: string; readonly body: string }>
}
