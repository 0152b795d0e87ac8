import { pause, backoffMs } from './backoff.js'

const TRIES = 4

/**
 * Messages on their way, sent one after the other so that they arrive in order. Each keeps its client id over all tries
 * and reloads: the engine drops a repeated one.
 * Entry: {clientId, body, preview, at, state: 'sending'|'sent'|'failed', anchor, code?}
 */
export class Outbox {
  #post
  #changed
  #online
  #entries = []
  #pumping = false
  #stopped = new AbortController()

  /** @param post sends one body, resolves when the engine has stored it; @param online resolves once there is a network */
  constructor({ post, changed, online }) {
    this.#post = post
    this.#changed = changed
    this.#online = online
  }

  get entries() {
    return this.#entries
  }

  /**
   * Takes up what this tab had not brought through before a reload, ahead of what was written since.
   * `moved`: the visitor is in another thread now, where what had arrived in the old one has no place.
   */
  restore(kept, moved) {
    const current = moved ? this.#entries.filter((entry) => entry.state !== 'sent') : this.#entries
    const known = new Set(current.map((entry) => entry.clientId))
    const earlier = kept.filter((entry) => !known.has(entry.clientId))
    this.#entries = [
      ...earlier.map((entry) => ({ ...entry, state: entry.state === 'sent' ? 'sent' : 'sending' })),
      ...current,
    ]
    this.#changed()
    this.#pump()
  }

  add(entry) {
    this.#entries = [...this.#entries, { ...entry, state: 'sending' }]
    this.#changed()
    this.#pump()
  }

  retry(clientId) {
    this.#set(clientId, { state: 'sending', code: undefined })
    this.#pump()
  }

  /** The message stands in the thread now. True when it was one of ours. */
  confirm(clientId) {
    const left = this.#entries.filter((entry) => entry.clientId !== clientId)
    if (left.length === this.#entries.length) return false
    this.#entries = left
    this.#changed()
    return true
  }

  stop() {
    this.#stopped.abort()
  }

  #set(clientId, change) {
    this.#entries = this.#entries.map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry))
    this.#changed()
  }

  async #pump() {
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let next; !this.#stopped.signal.aborted && (next = this.#waiting()) !== undefined;) await this.#deliver(next)
    } finally {
      this.#pumping = false
    }
  }

  #waiting() {
    return this.#entries.find((entry) => entry.state === 'sending')
  }

  async #deliver({ clientId, body }) {
    const { signal } = this.#stopped
    for (let tries = 1; ; tries += 1) {
      await this.#online(signal)
      if (signal.aborted) return
      try {
        await this.#post({ clientId, ...body }, signal)
        return this.#set(clientId, { state: 'sent' })
      } catch (error) {
        if (signal.aborted) return
        if (!error.retryable || tries >= TRIES) return this.#set(clientId, { state: 'failed', code: error.code })
        await pause(Math.max(error.retryAfterMs, backoffMs(tries)), { signal })
      }
    }
  }
}
