import type { Kysely } from 'kysely'
import type { Logger } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'
import type { EventReader, StoredEvent } from './contract.js'
import { createNotifyWire } from './notify-wire.js'
import { readHead, readLog, readTail } from './outbox-store.js'
import { HINT_BYTES, type Heard, type Wire } from './wire.js'

export interface ReaderDeps {
  readonly db: Kysely<Tables>
  readonly url: string
  readonly log: Logger
  /** Name of this node in ephemeral messages: a node hears its own at once and drops the echo. */
  readonly node: string
  /** How nodes wake each other; LISTEN/NOTIFY when absent. */
  readonly wire?: ((heard: Heard) => Wire) | undefined
}

const BATCH = 1000
const RING = 10_000
const POLL_MS = 250

/** Reads the log once for the whole node, in order and without a gap, and fans it out in memory. */
export class LogReader implements EventReader {
  readonly #deps: ReaderDeps
  readonly #wire: Wire
  readonly #subscribers = new Set<(batch: readonly StoredEvent[]) => void>()
  readonly #topics = new Map<string, Set<(data: Readonly<Record<string, unknown>>) => void>>()
  /** The last events, consecutive; most resumes are served from here. */
  #ring: StoredEvent[] = []
  #epoch = ''
  #position = 0
  #reading: Promise<void> | null = null
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null

  constructor(deps: ReaderDeps) {
    this.#deps = deps
    const heard: Heard = {
      events: (position) => this.#hint(position),
      ephemeral: (payload) => this.#heardEphemeral(payload),
    }
    this.#wire = deps.wire?.(heard) ?? createNotifyWire(deps, heard)
  }

  get epoch(): string {
    return this.#epoch
  }

  get listening(): boolean {
    return this.#wire.connected
  }

  head(): number {
    return this.#position
  }

  async start(): Promise<void> {
    const head = await readHead(this.#deps.db)
    this.#epoch = head.epoch
    this.#position = head.position
    await this.#wire.start()
    this.#timer = setInterval(() => this.look(), POLL_MS)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearInterval(this.#timer)
    await this.#wire.stop()
    await this.#reading
  }

  /** There may be something new: look. Coalesced. */
  look(): void {
    this.#hint(Infinity)
  }

  /** This node gave these events their positions: what comes next is taken as it is; the others are told where the database does not. */
  moved(events: readonly StoredEvent[]): void {
    const next = events[0]?.position === this.#position + 1
    if (next && this.#reading === null && !this.#stopped) this.#take(events)
    else this.look()
    this.#wire.moved()
  }

  subscribe(receive: (batch: readonly StoredEvent[]) => void): () => void {
    this.#subscribers.add(receive)
    return () => this.#subscribers.delete(receive)
  }

  async reach(position: number): Promise<void> {
    if (position <= this.#position) return
    this.look()
    await this.#reading
  }

  async read(after: number, limit: number): Promise<readonly StoredEvent[] | null> {
    const first = this.#ring[0]
    if (after >= this.#position) return []
    if (first !== undefined && after >= first.position - 1) {
      const from = after - first.position + 1
      return this.#ring.slice(from, from + limit)
    }
    const tail = await readTail(this.#deps.db)
    if (tail === null ? after < this.#position : after < tail - 1) return null
    return readLog(this.#deps.db, after, limit)
  }

  publish(topic: string, data: Readonly<Record<string, unknown>>): void {
    const payload = JSON.stringify({ n: this.#deps.node, t: topic, d: data })
    if (Buffer.byteLength(payload) > HINT_BYTES) return
    this.#deliver(topic, data)
    this.#wire.publish(payload)
  }

  onEphemeral(topic: string, receive: (data: Readonly<Record<string, unknown>>) => void): () => void {
    const set = this.#topics.get(topic) ?? new Set()
    this.#topics.set(topic, set)
    set.add(receive)
    return () => set.delete(receive)
  }

  #heardEphemeral(payload: string): void {
    try {
      const message = JSON.parse(payload) as { n: string; t: string; d: Record<string, unknown> }
      if (message.n !== this.#deps.node) this.#deliver(message.t, message.d)
    } catch {
      // A foreign or broken hint: hints are never the truth, so it is safe to drop.
    }
  }

  #deliver(topic: string, data: Readonly<Record<string, unknown>>): void {
    for (const receive of this.#topics.get(topic) ?? []) this.#guarded(() => receive(data))
  }

  #hint(position: number): void {
    if (this.#stopped || position <= this.#position) return
    if (this.#reading) {
      this.#again = true
      return
    }
    this.#reading = this.#readOn()
  }

  async #readOn(): Promise<void> {
    try {
      do {
        this.#again = false
        let batch: StoredEvent[]
        do {
          batch = await readLog(this.#deps.db, this.#position, BATCH)
          this.#take(batch)
        } while (batch.length === BATCH && !this.#stopped)
      } while (this.#again && !this.#stopped)
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'reading the event log failed; it is tried again')
    } finally {
      // In the same turn as the last look at #again, so that no hint falls between.
      this.#reading = null
    }
  }

  #take(batch: readonly StoredEvent[]): void {
    const last = batch.at(-1)
    if (last === undefined) return
    this.#position = last.position
    this.#ring.push(...batch)
    if (this.#ring.length > RING * 2) this.#ring = this.#ring.slice(-RING)
    for (const receive of this.#subscribers) this.#guarded(() => receive(batch))
  }

  #guarded(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#deps.log.error({ err: error }, 'a reader of the event log threw')
    }
  }
}
