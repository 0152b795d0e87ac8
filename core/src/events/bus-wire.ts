import { hintBytes, type Bus, type Hint, type Logger } from '@throughline/plugin-sdk'
import type { Instance, PluginHost } from '../plugins/contract.js'
import { HINT_BYTES, type Heard, type Wire } from './wire.js'

export interface BusWireDeps {
  /** Name of this node: what it said itself comes back and is dropped. */
  readonly node: string
  readonly log: Logger
  /** The configured bus; asked for late, because the host is built after the reader. */
  readonly host: () => Pick<PluginHost, 'bus' | 'onChange'>
}

const PUBLISH_MS = 1_000
/** Ephemeral messages on their way at once; over a bus that does not answer the rest is left out. */
const MOST_EPHEMERAL = 64

/**
 * Nodes wake each other over a bus plugin instead of PostgreSQL. The plugin may come late, fail and come back as a new
 * object: each is subscribed to once, and its coming is a reason to look. While there is none, `FallbackWire` has another way.
 */
export class BusWire implements Wire {
  readonly #deps: BusWireDeps
  readonly #heard: Heard
  #live: Bus | null = null
  #unsubscribe: (() => void) | null = null
  #unwatch: (() => void) | null = null
  #stopped = false
  /** At most one in flight; what moved meanwhile is told by one more. */
  #telling = false
  #again = false
  #ephemeral = 0

  constructor(deps: BusWireDeps, heard: Heard) {
    this.#deps = deps
    this.#heard = heard
  }

  get connected(): boolean {
    return this.#live !== null && this.#bus()?.status().state === 'running'
  }

  start(): Promise<void> {
    return Promise.resolve()
  }

  /** After the host was built: follows the instance through its lives. */
  follow(): void {
    this.#unwatch = this.#deps.host().onChange((status) => {
      if (status.id === this.#bus()?.id) this.#attach()
    })
    this.#attach()
  }

  stop(): Promise<void> {
    this.#stopped = true
    this.#unwatch?.()
    this.#detach()
    return Promise.resolve()
  }

  moved(): void {
    if (this.#telling) {
      this.#again = true
      return
    }
    this.#telling = true
    void this.#tell()
  }

  publish(payload: string): void {
    if (this.#stopped || this.#ephemeral >= MOST_EPHEMERAL) return
    const hint: Hint = { topic: 'ephemeral', node: this.#deps.node, data: payload }
    if (Buffer.byteLength(JSON.stringify(hint)) > hintBytes) return
    this.#ephemeral += 1
    void this.#say(hint).finally(() => (this.#ephemeral -= 1))
  }

  async #tell(): Promise<void> {
    do {
      this.#again = false
      await this.#say({ topic: 'events', node: this.#deps.node })
    } while (this.#again && !this.#stopped)
    this.#telling = false
  }

  /** Never rejects: the guard counts what fails, and the instance shows itself as degraded. */
  async #say(hint: Hint): Promise<void> {
    const bus = this.#bus()
    if (bus === null || bus.live === null || this.#stopped) return
    try {
      await bus.call('publish', PUBLISH_MS, (live) => live.publish(hint))
    } catch (error) {
      this.#deps.log.debug({ code: (error as { code?: string }).code, topic: hint.topic }, 'a hint was not published')
    }
  }

  #bus(): Instance<Bus> | null {
    return this.#deps.host().bus()
  }

  #attach(): void {
    const bus = this.#bus()
    const live = bus?.live ?? null
    if (this.#stopped || live === this.#live) return
    this.#detach()
    this.#live = live
    if (bus === null || live === null) return
    bus
      .call('subscribe', PUBLISH_MS, (one) => one.subscribe((hint) => this.#receive(hint)))
      .then(
        (unsubscribe) => {
          if (this.#live === live) this.#unsubscribe = unsubscribe
          else unsubscribe()
          this.#heard.events(Infinity)
        },
        (error: unknown) => {
          this.#live = null
          this.#deps.log.warn({ code: (error as { code?: string }).code }, 'the bus cannot be subscribed to')
        },
      )
  }

  #detach(): void {
    const unsubscribe = this.#unsubscribe
    this.#unsubscribe = null
    this.#live = null
    try {
      unsubscribe?.()
    } catch {
      // Its plugin's object is gone or going; there is nothing left to hear from it.
    }
  }

  /** Whatever comes may be forged: it never does more than make somebody look, or show somebody typing. */
  #receive(hint: Hint): void {
    if (this.#stopped || typeof hint !== 'object' || hint === null || hint.node === this.#deps.node) return
    if (hint.topic === 'ephemeral') {
      if (typeof hint.data === 'string' && hint.data.length <= HINT_BYTES) this.#heard.ephemeral(hint.data)
    } else if (hint.topic === 'events' || hint.topic === '*') {
      const position = Number(hint.position ?? Infinity)
      this.#heard.events(position > 0 ? position : Infinity)
    }
  }
}
