import { Problem } from './problem.js'
import type { Watch } from './thread-stream.js'

const MAX_PER_THREAD = 12

/**
 * The streams this node holds open, by thread: bounds how many one visitor may keep, and hears `typing` of this channel
 * at once, while other nodes hear of it through the engine's own watch.
 */
export class OpenStreams {
  readonly #listeners = new Map<string, Set<Parameters<Watch>[1]>>()

  /** Throws `too_many_streams`; called before the stream is handed out. */
  admit(thread: string): void {
    if ((this.#listeners.get(thread)?.size ?? 0) >= MAX_PER_THREAD) throw new Problem('too_many_streams')
  }

  typing(thread: string, on: boolean): void {
    for (const changed of this.#listeners.get(thread) ?? []) changed({ typing: on })
  }

  /** Makes every stream look whether it may go on. One listener on the instance's signal, however many streams. */
  wakeAll(): void {
    for (const listeners of this.#listeners.values()) for (const changed of listeners) changed({})
  }

  /** The engine's watch, with our own signals added. */
  watch(engine: Watch): Watch {
    return (thread, changed) => {
      // A callback of its own for each stream, so that a set can hold them.
      const listener: Parameters<Watch>[1] = (what) => changed(what)
      const listeners = this.#listeners.get(thread) ?? new Set()
      this.#listeners.set(thread, listeners.add(listener))
      const unwatch = engine(thread, changed)
      return () => {
        unwatch()
        listeners.delete(listener)
        if (listeners.size === 0 && this.#listeners.get(thread) === listeners) this.#listeners.delete(thread)
      }
    }
  }
}
