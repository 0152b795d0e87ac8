import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { EventWriter, NewEvent } from '../events/contract.js'
import { failPoint } from '../store/fail-point.js'
import type { Tables } from '../store/tables.js'
import type { Kysely } from 'kysely'
import type { BatchDeps, BatchResult, PendingRoute } from './batch-contract.js'
import { applyBatch } from './batch.js'
import {
  ClaimLost,
  claimShards,
  parkRow,
  readInHand,
  releaseClaim,
  setLaneAside,
  shardsToRetry,
  type Claim,
  type Claimed,
  type HandRow,
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

const BATCH = 1000
const STALE_TRIES = 5
const SWEEP_MS = 2000
/** A batch of at least this many rows means that rows come fast: a short wait then makes the next one larger. */
const BUSY_ROWS = 48
/** So many deaths of the process with the same row in hand, alone since the second, are no accident. */
const DEADLY = 3
const GATHER_MS = 10

/**
 * Drains the shards this node is poked for, one batch at a time over all of them: the cost of a batch hardly grows with its
 * rows. Several nodes may drain different shards; one shard is drained by one node at a time, so lanes keep their order.
 */
export class Drain<P> {
  readonly #deps: DrainDeps<P>
  readonly #woken = new Set<number>()
  #running: Promise<void> | null = null
  #stopped = false
  /** A claim somebody else sent for us, with its rows in hand. */
  #claimed: Claimed | null = null
  /** Claims of rounds that failed half-way: given back as soon as the database can be asked. */
  readonly #abandoned = new Set<Claim>()
  #background: Promise<void> = Promise.resolve()
  #sweep: NodeJS.Timeout | null = null

  constructor(deps: DrainDeps<P>) {
    this.#deps = deps
  }

  start(): void {
    const sweep = () => {
      const look = async () => {
        if (this.#running === null) await this.#giveBack()
        return Promise.all([idleShardsWithWork(this.#deps.db), shardsToRetry(this.#deps.db)])
      }
      look().then(
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
    await this.#running
    if (this.#claimed !== null) this.#abandoned.add(this.#claimed.claim)
    await this.#giveBack().catch(() => undefined)
    await this.#background
  }

  /** These shards may have waiting rows. Returns at once. */
  wake(shards: Iterable<number>): void {
    if (this.#stopped) return
    for (const shard of shards) this.#woken.add(shard)
    if (this.#hasWork()) this.#running ??= this.#loop()
  }

  /**
   * For whoever is about to store rows of these shards: while nothing is drained, the claim follows their statement without
   * a round trip of its own. They wake the shards when their rows are stored, as ever. null: the loop is at it anyway.
   */
  claimBehind(shards: ReadonlySet<number>): ((db: Kysely<Tables>) => Promise<void>) | null {
    if (this.#stopped || this.#running !== null || this.#claimed !== null || shards.size === 0) return null
    return async (db) => {
      const owner = { node: this.#deps.node, token: randomUUID() }
      try {
        const claimed = await claimShards(db, [...shards], owner, BATCH)
        if (claimed.hand.length === 0) return
        if (this.#claimed === null && !this.#stopped) this.#claimed = claimed
        else this.#abandoned.add(claimed.claim)
      } catch {
        // The loop asks again, and tells what is wrong.
        this.#abandoned.add({ token: owner.token, shards: [...shards] })
      }
    }
  }

  /** The job's way in: resolves when the shard has been looked at. */
  async drain(shard: number): Promise<void> {
    this.wake([shard])
    await this.#running
  }

  #hasWork(): boolean {
    return this.#woken.size > 0 || this.#claimed !== null
  }

  async #loop(): Promise<void> {
    try {
      while (this.#hasWork() && !this.#stopped) await this.#round()
    } catch (error) {
      if (!(error instanceof ClaimLost)) {
        this.#deps.log.warn({ err: error }, 'draining failed; the sweep tries again')
        // The sweep's pace, not this loop's: what failed may go on failing for a while.
        this.#woken.clear()
      }
    } finally {
      this.#running = null
      if (this.#hasWork()) this.wake([])
    }
  }

  /**
   * One batch over the woken shards. They stay awake until a look at them, after the last claim was given up, found
   * nothing: rows that other nodes stored meanwhile, and hints that met our claim, are seen by that look.
   */
  async #round(): Promise<void> {
    const wanted = [...this.#woken]
    this.#woken.clear()
    await this.#giveBack()
    const owner = { node: this.#deps.node, token: randomUUID() }
    const given = this.#claimed
    this.#claimed = null
    const { claim, hand } = given ?? (await this.#claim(wanted, owner))
    if (hand.length === 0) return
    for (const shard of wanted) this.#woken.add(shard)
    const deadly = hand.find((row) => row.crashes >= DEADLY)
    try {
      await failPoint?.('drain.claimed')
      if (deadly === undefined) await this.#batch(claim, hand)
      else await this.#parkDeadly(claim, deadly)
    } catch (error) {
      this.#abandoned.add(claim)
      throw error
    }
    if (hand.length >= BUSY_ROWS && hand.length < BATCH) await delay(GATHER_MS)
  }

  /** The connection may be lost between the commit of the claim and its answer: then it is ours, and nobody knows. */
  async #claim(shards: readonly number[], owner: { readonly node: string; readonly token: string }): Promise<Claimed> {
    try {
      return await claimShards(this.#deps.db, shards, owner, BATCH)
    } catch (error) {
      this.#abandoned.add({ token: owner.token, shards })
      throw error
    }
  }

  /**
   * A round that failed left its claim behind. Left to lapse it would hold its shards for the rest of the lease, and count as
   * a death with these rows in hand: three lost connections would park them. The token fences, so giving back is always safe.
   */
  async #giveBack(): Promise<void> {
    for (const claim of this.#abandoned) {
      await releaseClaim(this.#deps.db, claim)
      this.#abandoned.delete(claim)
    }
  }

  /** One batch; on failure it is bisected until the culprit is alone and its lane is set aside. */
  async #batch(claim: Claim, hand: readonly HandRow[]): Promise<void> {
    let failure: unknown
    for (let tries = 0; tries < STALE_TRIES; tries++) {
      try {
        return await this.#committed(await applyBatch(this.#deps, claim, hand))
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
    await releaseClaim(this.#deps.db, claim)
  }

  /** Half of a failed batch, under the same claim. Rows of a lane whose head failed are left for later, in order. */
  async #part(claim: Claim, hand: readonly HandRow[]): Promise<void> {
    if (hand.length === 0) return
    try {
      await this.#committed(await applyBatch(this.#deps, claim, hand, 'part'))
    } catch (error) {
      if (error instanceof ClaimLost || isConnectionLoss(error)) throw error
      if (hand.length === 1) return this.#aside(claim, hand, error)
      const middle = Math.ceil(hand.length / 2)
      await this.#part(claim, hand.slice(0, middle))
      await this.#part(claim, hand.slice(middle))
    }
  }

  async #aside(claim: Claim, hand: readonly HandRow[], error: unknown): Promise<void> {
    const [row] = await readInHand(this.#deps.db, hand)
    if (row === undefined) return
    const outcome = await setLaneAside(this.#deps.db, row, reasonOf(error))
    this.#deps.log.error(
      { err: error, inbox: row.id, channel: row.channel, outcome },
      'an inbound event could not be applied',
    )
    if (outcome === 'parked') await this.#tellParked(row, 'apply_failed')
  }

  /** It was alone in hand when the process died, more than once: it must not take the next one down. */
  async #parkDeadly(claim: Claim, hand: HandRow): Promise<void> {
    const [row] = await readInHand(this.#deps.db, [hand])
    if (row !== undefined) {
      await parkRow(this.#deps.db, row, 'deadly', `the engine ended ${row.crashes} times while it was being applied`)
      this.#deps.log.error(
        { inbox: row.id, channel: row.channel, crashes: row.crashes },
        'an inbound event was in hand each time the engine ended; it is parked',
      )
      await this.#tellParked(row, 'deadly')
    }
    await releaseClaim(this.#deps.db, claim)
  }

  async #tellParked(row: Pick<HandRow, 'id'> & { readonly channel: string }, code: string): Promise<void> {
    const event: NewEvent = {
      type: 'inbox.parked',
      actor: { kind: 'system', id: null },
      cause: `in_${row.id}`,
      data: { inboxId: row.id, channel: row.channel, code },
    }
    await this.#deps.db.transaction().execute((trx) => this.#deps.events.append(trx, [event]))
    this.#deps.events.poke()
  }

  async #committed(result: BatchResult): Promise<void> {
    await failPoint?.('drain.committed')
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
