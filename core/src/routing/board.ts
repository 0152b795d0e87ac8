import type { QueuePlace } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.js'
import type { Config, QueueConfig } from '../config/contract.js'
import type { Tables } from '../store/tables.js'
import { readCandidates } from './agent-store.js'
import { handleTimes, placesOf, positionOf, queueCounts, type HandleTime, type QueueCount } from './board-store.js'
import type { QueueBoard, QueueStat } from './contract.js'
import { estimateWait, type Pool } from './estimate.js'
import { hasRoom, qualifies, requirements, type Candidate } from './selection.js'

export interface BoardDeps {
  readonly db: Kysely<Tables>
  readonly config: Config
  readonly clock: Clock
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

const REFRESH_MS = 5_000
const HANDLE_MS = 60_000
/** Of an empty queue: a web chat. */
const TYPICAL_UNITS = 25
/** A mean over fewer says nothing. */
const ENOUGH = 5

/**
 * The figures of all queues, read together every five seconds on each node, so that rules and consoles see one state and
 * ask no database. `read` reads at once.
 */
export class Board implements QueueBoard {
  readonly #deps: BoardDeps
  #latest: ReadonlyMap<string, QueueStat> = new Map()
  #handle: { readonly at: number; readonly times: readonly HandleTime[] } | null = null
  #reading: Promise<readonly QueueStat[]> | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(deps: BoardDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#refresh(), REFRESH_MS)
    this.#timer.unref()
    void this.#refresh()
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    await this.#reading?.catch(() => undefined)
  }

  latest(): ReadonlyMap<string, QueueStat> {
    return this.#latest
  }

  read(): Promise<readonly QueueStat[]> {
    this.#reading ??= this.#load().finally(() => (this.#reading = null))
    return this.#reading
  }

  async waitOf(conversation: string) {
    const place = await positionOf(this.#deps.db, conversation)
    if (place === null) return null
    const [handle, candidates, counts] = await this.#parts()
    const count = counts.find((one) => one.queue === place.queue)
    const queue = this.#deps.config.queues.find((one) => one.id === place.queue)
    if (count === undefined || queue === undefined) return { ...place, estimate: null }
    return {
      ...place,
      estimate: estimateWait({ ...poolOf(queue, count, candidates, handle), position: place.position }),
    }
  }

  async placesOf(watches: readonly string[]): Promise<ReadonlyMap<string, QueuePlace>> {
    const threads = watches.map((watch) => {
      const [channel = '', ...thread] = watch.split('/')
      return { channel, thread: thread.join('/') }
    })
    const places = await placesOf(this.#deps.db, threads)
    if (places.length === 0) return new Map()
    const [handle, candidates, counts] = await this.#parts()
    const pools = new Map(
      counts.flatMap((count) => {
        const queue = this.#deps.config.queues.find((one) => one.id === count.queue)
        return queue === undefined ? [] : [[count.queue, poolOf(queue, count, candidates, handle)] as const]
      }),
    )
    return new Map(
      places.map(({ watch, queue, position }) => {
        const pool = pools.get(queue)
        return [watch, { position, estimate: pool === undefined ? null : estimateWait({ ...pool, position }) }]
      }),
    )
  }

  /** Seconds a conversation of this sort takes in this queue on average; null: too few to say. */
  handleTime(queue: string, channelKind: string): number | null {
    const known = this.#handle?.times.find((one) => one.queue === queue && one.channelKind === channelKind)
    return known !== undefined && known.handled >= ENOUGH ? known.meanS : null
  }

  async #refresh(): Promise<void> {
    try {
      await this.read()
    } catch (error) {
      this.#deps.log.warn(
        { code: (error as { code?: string }).code },
        'the figures of the queues could not be read; the last ones stand',
      )
    }
  }

  async #parts(): Promise<readonly [readonly HandleTime[], readonly Candidate[], readonly QueueCount[]]> {
    const { db, clock } = this.#deps
    if (this.#handle === null || clock.now() - this.#handle.at >= HANDLE_MS) {
      this.#handle = { at: clock.now(), times: await handleTimes(db) }
    }
    return [this.#handle.times, await readCandidates(db), await queueCounts(db)]
  }

  async #load(): Promise<readonly QueueStat[]> {
    const [handle, candidates, counts] = await this.#parts()
    const queues = new Map(this.#deps.config.queues.map((queue) => [queue.id, queue]))
    const stats = counts.flatMap((count) => {
      const queue = queues.get(count.queue)
      return queue === undefined ? [] : [statOf(queue, count, candidates, handle)]
    })
    this.#latest = new Map(stats.map((stat) => [stat.queue, stat]))
    return stats
  }
}

function statOf(
  queue: QueueConfig,
  count: QueueCount,
  candidates: readonly Candidate[],
  handle: readonly HandleTime[],
): QueueStat {
  const pool = poolOf(queue, count, candidates, handle)
  const { units: _units, ...shown } = count
  return Object.freeze({ ...shown, loggedIn: pool.agents, free: pool.free, wait: estimateWait(pool) })
}

function poolOf(
  queue: QueueConfig,
  count: QueueCount,
  candidates: readonly Candidate[],
  handle: readonly HandleTime[],
): Pool & { readonly free: number } {
  const ways = requirements([queue], [], 0)
  const working = candidates.filter((one) => one.available && qualifies(one, ways))
  const units = Math.max(1, Math.round(count.units ?? TYPICAL_UNITS))
  const room = (one: Candidate): number => Math.max(0, Math.floor((one.capacity - one.reserved - one.active) / units))
  return {
    position: count.waiting + 1,
    agents: working.length,
    slots: working.reduce((sum, one) => sum + Math.max(1, Math.floor(one.capacity / units)), 0),
    freeSlots: working.reduce((sum, one) => sum + (hasRoom(one, '', units) ? room(one) : 0), 0),
    free: working.filter((one) => hasRoom(one, '', units)).length,
    handle: pooled(handle.filter((one) => one.queue === queue.id)),
  }
}

/** Means and deviations of several sorts of channel as one. */
function pooled(times: readonly HandleTime[]): Pool['handle'] {
  const handled = times.reduce((sum, one) => sum + one.handled, 0)
  if (handled < ENOUGH) return null
  const meanS = times.reduce((sum, one) => sum + one.meanS * one.handled, 0) / handled
  const square = times.reduce((sum, one) => sum + (one.deviationS ** 2 + (one.meanS - meanS) ** 2) * one.handled, 0)
  return { meanS, deviationS: Math.sqrt(square / handled) }
}
