import type { ThreadChange } from '@throughline/plugin-sdk'
import type { QueueBoard } from './contract.js'

export interface QueueNewsDeps {
  readonly board: Pick<QueueBoard, 'placesOf'>
  /** Threads that a customer's own client follows on this node, as `<channel>/<thread>`. */
  readonly watched: () => readonly string[]
  readonly tell: (watch: string, what: ThreadChange) => void
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

const EVERY_MS = 5_000

/**
 * Tells customers who wait before an open chat where they stand and how long it takes: one read for all of a node's
 * threads, and a word only to those for whom it has changed. Estimates may be lost and come again.
 */
export class QueueNews {
  readonly #deps: QueueNewsDeps
  readonly #told = new Map<string, string>()
  #timer: NodeJS.Timeout | null = null
  #looking: Promise<void> | null = null

  constructor(deps: QueueNewsDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.look(), EVERY_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    await this.#looking
  }

  /** Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) =>
        this.#deps.log.warn(
          { code: (error as { code?: string }).code },
          'waiting customers could not be told their places; tried again in 5 s',
        ),
      )
      .finally(() => (this.#looking = null))
    return this.#looking
  }

  async #look(): Promise<void> {
    const watched = this.#deps.watched()
    const here = new Set(watched)
    for (const watch of this.#told.keys()) if (!here.has(watch)) this.#told.delete(watch)
    if (watched.length === 0) return
    const places = await this.#deps.board.placesOf(watched)
    for (const watch of watched) {
      const place = places.get(watch) ?? null
      const text = JSON.stringify(place)
      if ((this.#told.get(watch) ?? 'null') === text) continue
      if (place === null) this.#told.delete(watch)
      else this.#told.set(watch, text)
      this.#deps.tell(watch, { queue: place })
    }
  }
}
