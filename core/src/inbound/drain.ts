import { randomUUID } from 'node:crypto'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import type { Kysely } from 'kysely'
import { applyBatch, ClaimLost, type BatchDeps, type BatchResult, type PendingRoute } from './batch.js'
import {
  claimShard,
  readInHand,
  releaseShard,
  setLaneAside,
  shardsToRetry,
  type Claim,
  type InboxRow,
} from './drain-store.js'
import { idleShardsWithWork } from './inbox-store.js'

export interface DrainDeps<P> extends BatchDeps<P> {
  readonly db: Kysely<Tables>
  readonly node: string
  readonly events: EventWriter
  /** After a commit: attachments wait to be fetched. */
  readonly attachmentsWait: () => void
  /** After a commit: an asynchronous routing plugin was asked about these items. */
  readonly settle: (routes: readonly PendingRoute[]) => void
}

const BATCH = 400
const STALE_TRIES = 5
const SWEEP_MS = 2000

/**
 * Drains the shards this node is poked for: one loop a shard, one claim a loop. Several nodes may drain different shards;
 * one shard is drained by one node at a time, so lanes keep their order.
 */
export class Drain<P> {
  readonly #deps: DrainDeps<P>
  readonly #running = new Map<number, Promise<void>>()
  readonly #again = new Set<number>()
  #stopped = false
  #background: Promise<void> = Promise.resolve()
  #sweep: NodeJS.Timeout | null = null

  constructor(deps: DrainDeps<P>) {
    this.#deps = deps
  }

  start(): void {
    const sweep = () => {
      Promise.all([idleShardsWithWork(this.#deps.db), shardsToRetry(this.#deps.db)]).then(
        (found) => this.wake(found.flat()),
        (error: unknown) => this.#deps.log.warn({ err: error }, 'the sweep of the inbox failed; it is tried again'),
      )
    }
    this.#sweep = setInterval(sweep, SWEEP_MS)
    sweep()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#sweep) clearInterval(this.#sweep)
    await Promise.all(this.#running.values())
    await this.#background
  }

  /** These shards may have undrained rows. Returns at once; coalesced by shard. */
  wake(shards: Iterable<number>): void {
    if (this.#stopped) return
    for (const shard of shards) {
      if (this.#running.has(shard)) this.#again.add(shard)
      else this.#running.set(shard, this.#loop(shard))
    }
  }

  /** The job's way in: resolves when the shard has been looked at. */
  async drain(shard: number): Promise<void> {
    this.wake([shard])
    await this.#running.get(shard)
  }

  async #loop(shard: number): Promise<void> {
    try {
      do {
        this.#again.delete(shard)
        const claim: Claim = { shard, node: this.#deps.node, token: randomUUID() }
        let hand: readonly number[] = await claimShard(this.#deps.db, claim, BATCH)
        while (hand.length > 0) {
          if (this.#stopped) {
            await releaseShard(this.#deps.db, claim)
            return
          }
          hand = await this.#batch(claim, hand)
          // The claim was given up with the batch that found nothing more; look once more, for rows that came since.
          if (hand.length === 0) hand = await claimShard(this.#deps.db, claim, BATCH)
        }
      } while (this.#again.has(shard) && !this.#stopped)
    } catch (error) {
      if (!(error instanceof ClaimLost)) {
        this.#deps.log.warn({ err: error, shard }, 'draining a shard failed; the sweep tries again')
      }
    } finally {
      this.#running.delete(shard)
      if (this.#again.delete(shard)) this.wake([shard])
    }
  }

  /** One batch; on failure it is bisected until the culprit is alone and its lane is set aside. */
  async #batch(claim: Claim, hand: readonly number[]): Promise<readonly number[]> {
    let failure: unknown
    for (let tries = 0; tries < STALE_TRIES; tries++) {
      try {
        return this.#committed(await applyBatch(this.#deps, claim, hand, BATCH))
      } catch (error) {
        if (error instanceof ClaimLost || isConnectionLoss(error)) throw error
        failure = error
        if (!this.#deps.identity.isStale(error) && !isRetryable(error)) break
      }
    }
    if (hand.length > 1) {
      const middle = Math.ceil(hand.length / 2)
      await this.#part(claim, hand.slice(0, middle))
      await this.#part(claim, hand.slice(middle))
    } else {
      await this.#aside(claim, hand, failure)
    }
    await releaseShard(this.#deps.db, claim)
    return []
  }

  /** Half of a failed batch, under the same claim. Rows of a lane whose head failed are left for later, in order. */
  async #part(claim: Claim, hand: readonly number[]): Promise<void> {
    if (hand.length === 0) return
    try {
      this.#committed(await applyBatch(this.#deps, claim, hand, BATCH, hand))
    } catch (error) {
      if (error instanceof ClaimLost || isConnectionLoss(error)) throw error
      if (hand.length === 1) return this.#aside(claim, hand, error)
      const middle = Math.ceil(hand.length / 2)
      await this.#part(claim, hand.slice(0, middle))
      await this.#part(claim, hand.slice(middle))
    }
  }

  async #aside(claim: Claim, hand: readonly number[], error: unknown): Promise<void> {
    const [row] = await readInHand(this.#deps.db, hand)
    if (row === undefined) return
    const outcome = await setLaneAside(this.#deps.db, row, claim.shard, reasonOf(error))
    this.#deps.log.error(
      { err: error, inbox: row.id, channel: row.channel, outcome },
      'an inbound event could not be applied',
    )
    if (outcome === 'parked') await this.#tellParked(row)
  }

  async #tellParked(row: InboxRow): Promise<void> {
    const event: NewEvent = {
      type: 'inbox.parked',
      actor: { kind: 'system', id: null },
      cause: `in_${row.id}`,
      data: { inboxId: row.id, channel: row.channel, code: 'apply_failed' },
    }
    await this.#deps.db.transaction().execute((trx) => this.#deps.events.append(trx, [event]))
    this.#deps.events.poke()
  }

  #committed(result: BatchResult): readonly number[] {
    this.#deps.events.poke()
    if (result.queues.length > 0) this.#deps.work.wake(result.queues)
    if (result.attachments) this.#deps.attachmentsWait()
    if (result.told.length > 0) {
      const told = this.#deps.identity.suggest(result.told).catch((error: unknown) => {
        this.#deps.log.warn({ err: error }, 'suggestions for new identifiers could not be stored')
      })
      this.#background = this.#background.then(() => told)
    }
    if (result.pending.length > 0) this.#deps.settle(result.pending)
    return result.next
  }
}

/** Serialization failure and deadlock: the same batch again. */
function isRetryable(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return code === '40001' || code === '40P01'
}

/** The server or the line went away: nothing is wrong with the rows. */
function isConnectionLoss(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  const message = error instanceof Error ? error.message : ''
  return (
    (typeof code === 'string' && /^(08|57P|53|ECONN|EPIPE|ETIMEDOUT|25P03)/.test(code)) ||
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
      message,
    )
  )
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown }).code
  return `${error instanceof Error ? error.name : 'error'}${typeof code === 'string' ? ` ${code}` : ''}`
}
