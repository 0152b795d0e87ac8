import type { Kysely } from 'kysely'
import type { Logger } from '@throughline/plugin-sdk'
import { failPoint } from '../store/fail-point.js'
import type { Tables } from '../store/tables.js'
import type { EventWriter, StoredEvent } from './contract.js'
import { insertOutbox, pruneLog, sequenceOutbox } from './outbox-store.js'

export interface SequencerDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  /** What got its positions on this node, in order, so that its reader need neither wait for the notification nor read it. */
  readonly moved: (events: readonly StoredEvent[]) => void
  /** A bus wakes the other nodes at the moment, so the database need not. */
  readonly quiet?: (() => boolean) | undefined
}

const BATCH = 1000
const SAFETY_POLL_MS = 1000

/**
 * Turns committed outbox rows into log entries. Every node runs one; there is no leader to lose: the database function
 * takes the lock for the length of one call, and whoever committed last makes the call that sees its rows.
 */
export class Sequencer implements EventWriter {
  readonly #deps: SequencerDeps
  #running: Promise<void> | null = null
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null

  constructor(deps: SequencerDeps) {
    this.#deps = deps
  }

  append: EventWriter['append'] = (trx, events) => insertOutbox(trx, events)

  start(): void {
    // A node that died between its commit and its poke left rows behind: some node's poll finds them.
    this.#timer = setInterval(() => this.poke(), SAFETY_POLL_MS)
    this.poke()
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.poke()
    await this.#running
    this.#stopped = true
  }

  poke(): void {
    if (this.#stopped) return
    if (this.#running) {
      this.#again = true
      return
    }
    this.#running = this.#run()
  }

  /** Retention of the log: what is older than `hours`, but never the newest `keep` rows. */
  async prune(hours: number, keep: number): Promise<void> {
    while ((await pruneLog(this.#deps.db, hours, keep)) > 0 && !this.#stopped);
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false
        let moved: readonly StoredEvent[]
        do {
          await failPoint?.('sequencer.before-move')
          moved = await sequenceOutbox(this.#deps.db, BATCH, this.#deps.quiet?.())
          if (moved.length > 0) await failPoint?.('sequencer.moved')
          if (moved.length > 0) this.#deps.moved(moved)
        } while (moved.length === BATCH)
      } while (this.#again)
    } catch (error) {
      // Nothing is lost: the rows stay in the outbox, and the next poke or the poll tries again.
      this.#deps.log.warn({ err: error }, 'sequencing failed; it is tried again')
    } finally {
      // In the same turn as the last look at #again, so that no poke falls between.
      this.#running = null
    }
  }
}
