import type { Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Tasks by name. A job is a hint that may run twice or never: rows decide, and a sweep finds what no job reached. */
export interface TaskTable {
  /** Registered before `start`. `run` gets the payload and a signal that aborts at shutdown. */
  task(name: string, run: (payload: unknown, signal: AbortSignal) => Promise<void>): void
  /** Every `seconds` on one node at a time (a lease in the table of that name, not graphile's cron). */
  every(name: string, seconds: number, run: (signal: AbortSignal) => Promise<void>): void
}

export interface Jobs extends TaskTable {
  /** Adds jobs inside the caller's transaction; `key` dedupes while the job waits. One statement for all. */
  add(trx: Transaction<Tables>, jobs: readonly NewJob[]): Promise<void>
  /** The same outside a transaction. */
  addNow(jobs: readonly NewJob[]): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

export interface NewJob {
  readonly task: string
  readonly payload?: unknown
  readonly key?: string
  readonly runAt?: Date
  /** With `key`: a job that waits already keeps its time. Default: the newest time wins. */
  readonly keepRunAt?: boolean
}

/** Leadership by name over all nodes, decided by database time: whatever one node at a time does. */
export interface Leases {
  /**
   * Takes the lease if it is free (and, with `dueMs`, if it was last taken at least so long ago), runs, and gives it back.
   * `signal` aborts when the caller's does or the lease is lost; the next holder may then start before `run` returns, so
   * `run` checks it before every effect. false: somebody else holds it, or it is not due.
   */
  whileHeld(
    name: string,
    options: { readonly ttlMs?: number; readonly dueMs?: number; readonly signal: AbortSignal },
    run: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean>
}

/** Repeated work on one node at a time. `every` may be called at any time; the answer stops it and waits for its end. */
export interface Periodic {
  every(name: string, ms: number, run: (signal: AbortSignal) => Promise<void>): () => Promise<void>
}
