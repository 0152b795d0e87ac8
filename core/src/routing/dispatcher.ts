import { setTimeout as delay } from 'node:timers/promises'
import { dispatchQueues, type DispatchDeps } from './dispatch.js'

export interface DispatcherDeps extends Omit<DispatchDeps, 'known'> {
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

/** How long another node may keep a queue before we leave it to the sweep. */
const BUSY_TRIES = 40
const BUSY_PAUSE_MS = 25

/**
 * This node's dispatcher: one pass at a time, queues that were woken meanwhile once more. Waking is cheap and may be
 * wrong in both directions: a sweep wakes every queue with waiting items.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps & DispatchDeps
  readonly #dirty = new Set<string>()
  readonly #thorough = new Set<string>()
  readonly #stop = new AbortController()
  #turn: Promise<void> | null = null

  constructor(deps: DispatcherDeps) {
    this.#deps = { ...deps, known: new Map() }
  }

  /** Without names: all queues. */
  wake(queues?: readonly string[]): void {
    if (this.#stop.signal.aborted) return
    const names =
      queues === undefined || queues.length === 0 ? this.#deps.config.queues.map((queue) => queue.id) : queues
    for (const name of names) this.#dirty.add(name)
    this.#turn ??= this.#run()
  }

  lookThrough(queues: readonly string[]): void {
    for (const queue of queues) this.#thorough.add(queue)
    if (queues.length > 0) this.wake(queues)
  }

  /** Resolves when nothing is left to do that anybody has woken this node for. */
  async settled(): Promise<void> {
    while (this.#turn !== null) await this.#turn
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.settled()
  }

  async #run(): Promise<void> {
    // Callers wake inside loops and batches: the first pass sees everything they had to say.
    await Promise.resolve()
    const busy = new Map<string, number>()
    while (this.#dirty.size > 0 && !this.#stop.signal.aborted) {
      const names = [...this.#dirty]
      this.#dirty.clear()
      const waits = await this.#pass(names)
      for (const name of waits) {
        const tries = (busy.get(name) ?? 0) + 1
        if (tries <= BUSY_TRIES) this.#dirty.add(name)
        busy.set(name, tries)
      }
      if (waits.some((name) => this.#dirty.has(name)))
        await delay(BUSY_PAUSE_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
    this.#turn = this.#dirty.size > 0 && !this.#stop.signal.aborted ? this.#run() : null
  }

  /** Answers the queues that another node is at. */
  async #pass(names: readonly string[]): Promise<readonly string[]> {
    const thorough = new Set(names.filter((name) => this.#thorough.delete(name)))
    try {
      const { busy, more } = await dispatchQueues(this.#deps, names, thorough)
      const again = more ? names : busy
      for (const name of again) if (thorough.has(name)) this.#thorough.add(name)
      if (more) for (const name of names) if (!busy.includes(name)) this.#dirty.add(name)
      return busy
    } catch (error) {
      if (names.length === 1) {
        this.#deps.log.warn(
          { queue: names[0], code: codeOf(error) },
          'dispatching a queue failed; the sweep tries again',
        )
        return []
      }
      // What is wrong with one queue must not keep the work of the others.
      for (const name of thorough) this.#thorough.add(name)
      const busy: string[] = []
      for (const name of names) busy.push(...(await this.#pass([name])))
      return busy
    }
  }
}

function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown'
}
