import { setTimeout as delay } from 'node:timers/promises'
import { failPoint } from '../store/fail-point.js'
import type { ChannelInstance, PluginHost } from '../plugins/contract.js'
import { attemptSend, giveBack, type AttemptDeps } from './attempt.js'
import { referencesOf, type ClaimedSend } from './lane-store.js'
import type { Outcome } from './outcome.js'
import { recordOutcome, type RecordDeps } from './record.js'
import { sqlState } from './sql-state.js'
import { takeLanes } from './take-lanes.js'

export interface DeliverDeps extends RecordDeps, AttemptDeps {
  readonly plugins: Pick<PluginHost, 'channel' | 'channels' | 'onChange'>
  /** This engine process, as its claims name it. */
  readonly node: string
  /** All places of this channel are taken and more may wait: other nodes could help. */
  readonly full: (channel: string) => void
  readonly limits?: Partial<DeliverLimits>
}

export interface DeliverLimits {
  readonly lanesPerChannel: number
  readonly lanesPerNode: number
  readonly sendTimeoutMs: number
  /** Longer than a send may take, and short enough that a dead node's lanes go on within 45 s (lease + sweep). */
  readonly leaseMs: number
}

const GATHER_MS = 5

const defaults: DeliverLimits = { lanesPerChannel: 8, lanesPerNode: 64, sendTimeoutMs: 30_000, leaseMs: 40_000 }

/**
 * Takes heads of lanes and sends them, a few lanes of each channel at a time. A slow channel fills only its own places,
 * so it holds up no other. No plugin is awaited inside a transaction.
 */
export class Deliverer {
  readonly #deps: DeliverDeps
  readonly #limits: DeliverLimits
  readonly #woken = new Set<string>()
  readonly #timers = new Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>()
  /** Channels of which more waited than there were places, at the last look. */
  readonly #pressed = new Set<string>()
  /** Channels that found no free place on this node. */
  readonly #waiting = new Set<string>()
  readonly #busy = new Map<string, number>()
  readonly #inFlight = new Set<Promise<void>>()
  #rounds: Promise<void> | null = null
  #unsubscribe: (() => void) | null = null
  #running = false

  constructor(deps: DeliverDeps) {
    this.#deps = deps
    this.#limits = { ...defaults, ...deps.limits }
  }

  start(): void {
    this.#running = true
    this.#unsubscribe = this.#deps.plugins.onChange((status) => {
      if (status.state === 'running' || status.state === 'degraded') this.wake(status.id)
    })
    this.wake()
  }

  /** Claims nothing more and waits for what is on its way; what does not end in time lapses and is settled elsewhere. */
  async stop(graceMs = 20_000): Promise<void> {
    this.#running = false
    this.#unsubscribe?.()
    for (const { timer } of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    await this.#rounds
    const over = new AbortController()
    await Promise.race([
      Promise.all(this.#inFlight),
      delay(graceMs, undefined, { signal: over.signal }).catch(() => null),
    ])
    over.abort()
  }

  /** Looks for due lanes of a channel, or of all. Returns at once; coalesced; nothing before `start`. */
  wake(channel?: string): void {
    if (!this.#running) return
    if (channel !== undefined) this.#woken.add(channel)
    else for (const instance of this.#deps.plugins.channels()) this.#woken.add(instance.id)
    this.#rounds ??= this.#runRounds().finally(() => {
      this.#rounds = null
      // Woken between the last look and now.
      if (this.#running && this.#woken.size > 0) this.wake([...this.#woken][0])
    })
  }

  async #runRounds(): Promise<void> {
    for (const channel of this.#woken) {
      // Lanes that end within a moment are claimed in one transaction.
      if (this.#pressed.has(channel)) await delay(GATHER_MS)
      this.#woken.delete(channel)
      if (!this.#running) return
      try {
        await this.#claim(channel)
      } catch (error) {
        this.#deps.log.warn({ channel, code: sqlState(error) ?? 'unknown' }, 'looking for messages to send failed')
        this.#wakeIn(channel, 1_000)
      }
    }
  }

  #wakeIn(channel: string, ms: number): void {
    if (!this.#running) return
    const at = this.#deps.monotonic() + ms
    const known = this.#timers.get(channel)
    if (known && known.at <= at) return
    if (known) clearTimeout(known.timer)
    // setTimeout takes 24 days at most; an hour is enough, the sweep looks anyway.
    const timer = setTimeout(
      () => {
        this.#timers.delete(channel)
        this.wake(channel)
      },
      Math.min(Math.max(1, ms), 3_600_000),
    )
    timer.unref()
    this.#timers.set(channel, { at, timer })
  }

  /** Every channel has at least one place, however many others hang. */
  #freePlaces(channel: string): number {
    const busy = this.#busy.get(channel) ?? 0
    const free = Math.min(this.#limits.lanesPerChannel - busy, this.#limits.lanesPerNode - this.#inFlight.size)
    return Math.max(free, busy === 0 ? 1 : 0)
  }

  async #claim(channel: string): Promise<void> {
    const instance = this.#deps.plugins.channel(channel)
    // Not running: its lanes wait, and a change of its state wakes us.
    if (!instance || instance.live === null) return
    // Its breaker is open: claims would only be given back. The first claim after that is the probe.
    const heldMs = instance.heldFor?.('send') ?? 0
    if (heldMs > 0) return this.#wakeIn(channel, heldMs)
    const places = this.#freePlaces(channel)
    if (places <= 0) {
      this.#waiting.add(channel)
      return this.#deps.full(channel)
    }
    const claimedAt = this.#deps.monotonic()
    const { sends, waitMs } = await takeLanes(this.#deps, {
      channel,
      node: this.#deps.node,
      places,
      leaseMs: this.#limits.leaseMs,
      rate: instance.capabilities('')?.rate,
    })
    if (waitMs > 0) this.#wakeIn(channel, waitMs)
    if (sends.length < places) this.#pressed.delete(channel)
    if (sends.length === 0) return
    if (sends.length === places) {
      this.#pressed.add(channel)
      this.#deps.full(channel)
    }
    this.#deps.events.poke()
    const references = referencesOf(this.#deps.db, sends)
    references.catch(() => undefined)
    this.#busy.set(channel, (this.#busy.get(channel) ?? 0) + sends.length)
    for (const send of sends) {
      const work = this.#deliver(instance, send, references, claimedAt).finally(() => {
        this.#inFlight.delete(work)
        this.#busy.set(channel, (this.#busy.get(channel) ?? 1) - 1)
        for (const waiting of this.#waiting) this.wake(waiting)
        this.#waiting.clear()
        this.wake(channel)
      })
      this.#inFlight.add(work)
    }
  }

  async #deliver(
    instance: ChannelInstance,
    send: ClaimedSend,
    references: Promise<ReadonlyMap<string, readonly string[]>>,
    claimedAt: number,
  ): Promise<void> {
    const { leaseMs, sendTimeoutMs } = this.#limits
    const startBefore = claimedAt + leaseMs - sendTimeoutMs
    // A claim that was under way when the node was told to stop goes back untried.
    const outcome = this.#running
      ? await attemptSend(this.#deps, { instance, send, references, timeoutMs: sendTimeoutMs, startBefore })
      : giveBack(send, 0)
    try {
      await failPoint?.('deliver.called')
      await this.#record(send, outcome, claimedAt)
      // After the record: the wait counts from there, by the database's clock.
      if (outcome.kind === 'retry' || outcome.kind === 'pause') this.#wakeIn(send.channel, outcome.delayMs + 5)
    } catch (error) {
      // The lease lapses, and the sweep settles the part: once more where the network drops repeats, else as unknown.
      this.#deps.log.error(
        { channel: send.channel, send: send.id, outcome: outcome.kind, code: sqlState(error) ?? 'unknown' },
        'the result of a send could not be stored',
      )
    }
  }

  async #record(send: ClaimedSend, outcome: Outcome, claimedAt: number): Promise<void> {
    let result = outcome
    for (let pause = 100; ; pause = Math.min(pause * 2, 2_000)) {
      try {
        if (!(await recordOutcome(this.#deps, send, result))) {
          this.#deps.log.warn(
            { channel: send.channel, send: send.id },
            'the lease was over; somebody else settled the send',
          )
        }
        return
      } catch (error) {
        // Two parts under one network id: the first keeps it.
        const taken = sqlState(error) === '23505' && result.kind === 'sent' && result.externalId !== null
        if (taken && result.kind === 'sent') result = { ...result, externalId: null }
        else if (this.#deps.monotonic() - claimedAt + pause > this.#limits.leaseMs) throw error
        else await delay(pause)
      }
    }
  }
}
