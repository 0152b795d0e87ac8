import type { Clock } from '../clock.js'

export interface BeatsDeps {
  readonly clock: Clock
  /** Renews leases; answers the sessions it found. */
  readonly renew: (beats: readonly { readonly id: string; readonly agoMs: number }[]) => Promise<readonly string[]>
  /** The row of a session that is still open here is gone or was given up: this node was out of touch for too long. */
  readonly revive: (session: { readonly id: string; readonly agent: string }) => Promise<void>
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

const FLUSH_MS = 10_000
/** A client that has said nothing for so long is not vouched for any more; its lease runs out. */
const SILENT_MS = 30_000

/** Heartbeats of this node's sockets, kept in memory and written in one statement every ten seconds. */
export class Beats {
  readonly #deps: BeatsDeps
  readonly #last = new Map<string, { readonly agent: string; at: number }>()
  #timer: NodeJS.Timeout | null = null
  #flushing: Promise<void> | null = null

  constructor(deps: BeatsDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.flush(), FLUSH_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    await this.#flushing
  }

  track(id: string, agent: string): void {
    this.#last.set(id, { agent, at: this.#deps.clock.now() })
  }

  beat(id: string): void {
    const session = this.#last.get(id)
    if (session !== undefined) session.at = this.#deps.clock.now()
  }

  forget(id: string): void {
    this.#last.delete(id)
  }

  /** Never rejects; what could not be written now is written ten seconds later, well within the lease. */
  flush(): Promise<void> {
    this.#flushing ??= this.#write()
      .catch((error: unknown) =>
        this.#deps.log.warn({ code: (error as { code?: string }).code }, 'leases of sessions could not be renewed'),
      )
      .finally(() => (this.#flushing = null))
    return this.#flushing
  }

  async #write(): Promise<void> {
    const now = this.#deps.clock.now()
    const beats = [...this.#last]
      .map(([id, { at }]) => ({ id, agoMs: now - at }))
      .filter((beat) => beat.agoMs < SILENT_MS)
    if (beats.length === 0) return
    const found = new Set(await this.#deps.renew(beats))
    for (const { id } of beats) {
      const session = this.#last.get(id)
      if (!found.has(id) && session !== undefined) await this.#deps.revive({ id, agent: session.agent })
    }
  }
}
