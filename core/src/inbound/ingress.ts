import { createHash } from 'node:crypto'
import type { Kysely, Transaction } from 'kysely'
import type { InboundEvent, Logger } from '@throughline/plugin-sdk'
import type { Clock } from '../clock.js'
import { ThroughlineError } from '../errors.js'
import { failPoint } from '../store/fail-point.js'
import type { Ids } from '../ids.js'
import type { NewJob } from '../jobs/contract.js'
import type { Tables } from '../store/tables.js'
import { inTransaction, onOneConnection } from '../store/transaction.js'
import { cleanEvent } from './clean-event.js'
import type { InboundRequest, Ingress } from './contract.js'
import type { FreshRows } from './fresh-rows.js'
import { inboxKey, insertInbox, type NewInboxRow } from './inbox-store.js'
import { laneOf, shardOf } from './lane.js'

export interface IngressDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  readonly shards: number
  /** Adds jobs inside the transaction that stores the rows. */
  readonly addJobs: (trx: Transaction<Tables>, jobs: readonly NewJob[]) => Promise<void>
  /** Rows of these shards are committed: drain them here if this node drains. */
  readonly stored: (shards: ReadonlySet<number>) => void
  /** Sent right behind the statement that stores rows of these shards: the drain's claim, when the drain is at rest. */
  readonly claimBehind?: ((shards: ReadonlySet<number>) => ((db: Kysely<Tables>) => Promise<void>) | null) | undefined
  /** This node drains itself; the job is then only the safety net and may wait. */
  readonly drainsHere: boolean
  /** Kept for the drain of this node. */
  readonly fresh?: FreshRows | undefined
  /** Typing is ephemeral: it is passed on and never stored. */
  readonly typing: (channel: string, thread: string, on: boolean) => void
}

interface Waiting {
  readonly rows: readonly NewInboxRow[]
  readonly resolve: (result: { stored: number; duplicate: number }) => void
  readonly reject: (error: unknown) => void
}

const MAX_ROWS_A_COMMIT = 1000
const MAX_WAITING_ROWS = 20_000
const SAFETY_JOB_MS = 2000

/**
 * The door. Requests that arrive while a commit is under way share the next one, so the price of a durable commit is paid
 * once for many. Nothing is answered before its rows are durable (P1).
 */
export class GroupCommitIngress implements Ingress {
  readonly #deps: IngressDeps
  #waiting: Waiting[] = []
  #waitingRows = 0
  #flushing = false
  /** Until when a safety job of the shard is known to wait in the database. */
  readonly #jobDue = new Map<number, number>()

  constructor(deps: IngressDeps) {
    this.#deps = deps
  }

  async accept(request: InboundRequest): Promise<{ stored: number; duplicate: number }> {
    const rows = this.#rows(request)
    if (rows.length === 0) return { stored: 0, duplicate: 0 }
    if (this.#waitingRows + rows.length > MAX_WAITING_ROWS) {
      throw new ThroughlineError(
        'TL_INBOUND_OVERLOADED',
        'too many events wait to be stored; send this one again later',
      )
    }
    this.#waitingRows += rows.length
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, resolve, reject })
      if (!this.#flushing) {
        this.#flushing = true
        // One turn later, so that requests read in the same turn of the event loop share the commit.
        setImmediate(() => void this.#flush())
      }
    })
  }

  #rows(request: InboundRequest): NewInboxRow[] {
    const { clock, ids, shards } = this.#deps
    const receivedAt = clock.now()
    const group = ids()
    const raw = request.raw ? Buffer.from(request.raw.body) : null
    const headers = request.raw?.headers ? JSON.stringify(request.raw.headers).replaceAll('\\u0000', '') : null
    const rows: NewInboxRow[] = []
    const seen = new Set<string>()
    const add = (externalId: string, lane: string, event: string | null, parked: NewInboxRow['parked']) => {
      if (seen.has(externalId)) return
      seen.add(externalId)
      const first = rows.length === 0
      rows.push({
        channel: request.channel,
        externalId,
        lane,
        shard: shardOf(lane, shards),
        event,
        request: group,
        raw: first ? raw : null,
        headers: first ? headers : null,
        parked,
      })
    }
    for (const event of request.events) {
      if (event.type === 'typing') {
        this.#deps.typing(request.channel, event.thread.id, event.on ?? true)
        continue
      }
      const { externalId, json } = cleanEvent(event, receivedAt)
      add(externalId, laneOf(request.channel, event, externalId), json, parkedReason(event))
    }
    if (request.unreadable) {
      const externalId = `unreadable:${createHash('sha256')
        .update(raw ?? '')
        .digest('hex')}`
      add(externalId, `${request.channel}/?${externalId}`, null, request.unreadable)
    }
    return rows
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group: Waiting[] = []
      let size = 0
      while (
        this.#waiting.length > 0 &&
        (group.length === 0 || size + this.#waiting[0]!.rows.length <= MAX_ROWS_A_COMMIT)
      ) {
        const next = this.#waiting.shift()!
        size += next.rows.length
        group.push(next)
      }
      this.#waitingRows -= size
      await this.#commit(group)
    }
    this.#flushing = false
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#store(group)
    } catch (error) {
      if (group.length > 1 && isFaultOfData(error)) {
        // One of many is at fault: each alone, so that the others are not refused with it.
        for (const one of group) await this.#commit([one])
        return
      }
      const refusal = isFaultOfData(error)
        ? new ThroughlineError('TL_INBOUND_BODY_INVALID', 'the event holds a value that cannot be stored', {
            cause: error,
          })
        : new ThroughlineError('TL_STORE_UNAVAILABLE', 'the database did not take the event; send it again later', {
            cause: error,
          })
      for (const one of group) one.reject(refusal)
    }
  }

  async #store(group: readonly Waiting[]): Promise<void> {
    const rows = group.flatMap((one) => one.rows)
    const shards = new Set<number>()
    for (const row of rows) if (!row.parked) shards.add(row.shard)
    const now = this.#deps.clock.now()
    const jobs = this.#safetyJobs(shards, now)
    const { db } = this.#deps
    await failPoint?.('ingress.before-commit')
    // Without a job one statement is the whole transaction.
    const stored =
      jobs.length === 0
        ? await this.#insert(rows, shards)
        : await inTransaction(db, async (trx) => {
            const [keys] = await Promise.all([insertInbox(trx, rows), this.#deps.addJobs(trx, jobs)])
            return keys
          })
    await failPoint?.('ingress.committed')
    if (this.#deps.drainsHere)
      for (const shard of shards)
        if (jobs.some((job) => job.payload === shard)) this.#jobDue.set(shard, now + SAFETY_JOB_MS)
    if (this.#deps.fresh !== undefined) {
      for (const { event, parked, channel, externalId, lane } of rows) {
        const one = stored.get(inboxKey(channel, externalId))
        if (one !== undefined && event !== null && parked === null)
          this.#deps.fresh.keep(one.id, { channel, externalId, lane, event, receivedAt: one.receivedAt })
      }
    }
    this.#deps.stored(shards)
    for (const one of group) {
      const count = one.rows.filter((row) => stored.delete(inboxKey(row.channel, row.externalId))).length
      one.resolve({ stored: count, duplicate: one.rows.length - count })
    }
  }

  async #insert(rows: readonly NewInboxRow[], shards: ReadonlySet<number>): ReturnType<typeof insertInbox> {
    const { db } = this.#deps
    const claim = this.#deps.claimBehind?.(shards) ?? null
    if (claim === null) return insertInbox(db, rows)
    return onOneConnection(db, async (one) => {
      const [stored] = await Promise.all([insertInbox(one, rows), claim(one)])
      return stored
    })
  }

  /**
   * The drain job of each shard touched, in the same transaction. Where this node drains by itself the job is a safety net:
   * it is due a little later, and while one is known to wait (with a second to spare) no further one is added.
   */
  #safetyJobs(shards: ReadonlySet<number>, now: number): NewJob[] {
    const jobs: NewJob[] = []
    for (const shard of shards) {
      if (!this.#deps.drainsHere) jobs.push({ task: 'drain', payload: shard, key: `drain:${shard}` })
      else if ((this.#jobDue.get(shard) ?? 0) < now + SAFETY_JOB_MS / 2) {
        jobs.push({ task: 'drain', payload: shard, key: `drain:${shard}`, runAt: new Date(now + SAFETY_JOB_MS) })
      }
    }
    return jobs
  }
}

/** What the plugin could not make sense of waits, visible, until the plugin can; it is replayed from the raw body. */
function parkedReason(event: InboundEvent): { code: string; reason: string } | null {
  return event.type === 'unknown'
    ? { code: 'unknown_event', reason: event.note.slice(0, 500).replaceAll('\0', '') }
    : null
}

/** SQLSTATE class 22 (data exception) and 54 (program limit): the row's fault, not the server's. */
function isFaultOfData(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && (code.startsWith('22') || code.startsWith('54'))
}
