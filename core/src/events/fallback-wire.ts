import type { Logger } from '@throughline/plugin-sdk'
import { BusWire, type BusWireDeps } from './bus-wire.js'
import { createNotifyWire, type NotifyWireDeps } from './notify-wire.js'
import type { Heard, Wire } from './wire.js'

export interface FallbackWireDeps {
  readonly first: Wire & { follow?(): void }
  /** Made anew each time it is needed, and stopped when it is not. */
  readonly second: () => Wire
  readonly log: Logger
  readonly lookMs?: number
}

/** Seldom enough to cost nothing; meanwhile polling carries on. */
const LOOK_MS = 1_000

/** For an installation with a bus. */
export function createBusWires(deps: BusWireDeps & NotifyWireDeps, heard: Heard): FallbackWire {
  return new FallbackWire({
    first: new BusWire(deps, heard),
    second: () => createNotifyWire(deps, heard),
    log: deps.log,
  })
}

/**
 * A bus, and LISTEN/NOTIFY while it is away: hints go over the one that works, and both may bring some. A node takes to the
 * second wire after two looks without the first, so that a start or a short break opens no connection, and leaves it at once
 * when the first is back. Nodes need not agree: who is not heard costs latency, because every reader also polls.
 */
export class FallbackWire implements Wire {
  readonly #deps: FallbackWireDeps
  #second: Wire | null = null
  #missed = 0
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(deps: FallbackWireDeps) {
    this.#deps = deps
  }

  get connected(): boolean {
    return this.#deps.first.connected || this.#second?.connected === true
  }

  /** The first wire works: the database need not wake anybody. */
  get quiet(): boolean {
    return this.#deps.first.connected
  }

  /** After the plugin host was built. */
  follow(): void {
    this.#deps.first.follow?.()
  }

  async start(): Promise<void> {
    await this.#deps.first.start()
    this.#timer = setInterval(() => this.#look(), this.#deps.lookMs ?? LOOK_MS)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#deps.first.stop()
    await this.#turn
    await this.#second?.stop()
    this.#second = null
  }

  moved(): void {
    this.#deps.first.moved()
    this.#second?.moved()
  }

  publish(payload: string): void {
    if (this.#deps.first.connected || this.#second === null) this.#deps.first.publish(payload)
    else this.#second.publish(payload)
  }

  #look(): void {
    this.#missed = this.#deps.first.connected ? 0 : this.#missed + 1
    if (this.#missed === 0 && this.#second !== null) {
      const left = this.#second
      this.#second = null
      this.#deps.log.info({}, 'the bus is back; LISTEN and NOTIFY are left')
      this.#next(() => left.stop())
    } else if (this.#missed >= 2 && this.#second === null) {
      const taken = (this.#second = this.#deps.second())
      this.#deps.log.warn({}, 'the bus is away; nodes wake each other by LISTEN and NOTIFY until it is back')
      this.#next(() => taken.start())
    }
  }

  #next(step: () => Promise<void>): void {
    this.#turn = this.#turn
      .then(step)
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'changing the wire between nodes failed'))
  }
}
