import type { Socket } from 'node:net'
import type { Logger } from '@throughline/plugin-sdk'
import type { WebSocket } from 'ws'
import type { Clock } from '../clock.js'
import { isThroughlineError, ThroughlineError } from '../errors.js'
import type { EventReader, StoredEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { PresenceService } from '../routing/contract.js'
import type { AgentAccounts, Principal } from './contract.js'
import { closeCodes, limits, parseFrame, type Frame } from './frames.js'
import { intentOf, intentsIn } from './intents.js'
import { Pace } from './pace.js'
import { collect, cursorIn } from './replay.js'
import { runCommand, type RunDeps } from './run-command.js'
import { maySee } from './scopes.js'
import { wireOf, type Wire } from './wire.js'

export interface ConnectionDeps extends RunDeps {
  readonly accounts: AgentAccounts
  readonly presence: PresenceService
  readonly reader: EventReader
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  /** Tells the hub that this connection is over. */
  readonly ended: (connection: Connection) => void
}

export interface ConnectionInfo {
  readonly origin: string | null
  /** Called once it is known who this is. */
  readonly greeted: () => void
}

type Phase = 'anonymous' | 'greeting' | 'live' | 'closed'

/** One socket of an agent. Order of events is kept by sending only from the hub's turn or from a replay that precedes it. */
export class Connection {
  readonly #deps: ConnectionDeps
  readonly #socket: WebSocket
  readonly #info: ConnectionInfo
  readonly sessionId: string
  #phase: Phase = 'anonymous'
  #principal: Principal | null = null
  /** Position of the last event sent on this session, and of the last one considered. */
  #sent = 0
  #seen = 0
  #intents: ReadonlySet<string> | null = null
  #inflight = 0
  #strikes = 0
  readonly #pace: Pace
  #lastHeard: number
  #slowSince = 0
  #helloTimer: NodeJS.Timeout

  constructor(socket: WebSocket, info: ConnectionInfo, deps: ConnectionDeps) {
    this.#deps = deps
    this.#socket = socket
    this.#info = info
    this.sessionId = deps.ids()
    this.#lastHeard = deps.clock.now()
    this.#pace = new Pace(deps.clock)
    this.#helloTimer = setTimeout(() => this.close(closeCodes.helloTimeout, 'no hello within 5 s'), limits.helloMs)
    // Attached in the same turn as the upgrade: a frame that comes before would be lost.
    socket.on('message', (data: Buffer, binary: boolean) => this.#onMessage(data, binary))
    socket.on('close', () => this.#onClose())
    socket.on('error', () => undefined)
  }

  get principal(): Principal | null {
    return this.#principal
  }

  close(code: number, reason: string): void {
    if (this.#phase === 'closed') return
    this.#socket.close(code, reason)
    setTimeout(() => this.#socket.terminate(), 2000).unref()
    this.#over(code === closeCodes.revoked)
  }

  /** A batch of the log, every position once and in order. Called by the hub. */
  deliver(batch: readonly Wire[]): void {
    if (this.#phase !== 'live') return
    // One write for the whole batch: frames are small, and each write of its own would be a system call.
    const stream = (this.#socket as WebSocket & { readonly _socket?: Socket })._socket
    stream?.cork()
    try {
      for (const wire of batch) this.#offer(wire)
    } finally {
      stream?.uncork()
    }
  }

  /** Ephemeral: coalesced away first when the client is slow. */
  tell(type: string, data: Readonly<Record<string, unknown>>): void {
    if (this.#phase !== 'live' || this.#socket.bufferedAmount > limits.bufferBytes / 4) return
    this.#send({ t: type, ts: this.#deps.clock.now(), d: data })
  }

  /** Asks the client to move to another connection; it resumes there. */
  reconnect(afterMs: number): void {
    if (this.#phase === 'live') this.#send({ t: 'reconnect', d: { afterMs } })
  }

  /** Every few seconds, by the hub: heartbeat and slow readers. */
  tick(now: number): void {
    if (this.#phase !== 'live') return
    if (now - this.#lastHeard > 2 * limits.heartbeatMs)
      return this.close(closeCodes.drain, 'two heartbeats missed; resume')
    if (this.#socket.bufferedAmount > limits.bufferBytes) {
      if (this.#slowSince === 0) this.#slowSince = now
      else if (now - this.#slowSince > limits.slowMs) this.close(closeCodes.slow, 'reading too slowly; resume')
    } else this.#slowSince = 0
  }

  ping(): void {
    if (this.#phase === 'live') this.#send({ t: 'ping', d: { position: this.#seen } })
  }

  #offer(wire: Wire): void {
    const { event } = wire
    if (event.position <= this.#seen) return
    this.#seen = event.position
    const principal = this.#principal
    if (principal === null || !maySee(principal, event)) return
    if (this.#intents !== null && !this.#intents.has(intentOf(event.type))) return
    if (event.type === 'session.revoked' && event.agent === principal.agent) return
    this.#socket.send(wire.frame(this.#sent), { binary: false })
    this.#sent = event.position
  }

  #send(frame: Readonly<Record<string, unknown>>): void {
    if (this.#phase !== 'closed' && this.#socket.readyState === this.#socket.OPEN)
      this.#socket.send(JSON.stringify(frame))
  }

  #onMessage(data: Buffer, binary: boolean): void {
    this.#lastHeard = this.#deps.clock.now()
    if (this.#principal) this.#deps.presence.beat(this.sessionId)
    let frame: Frame
    try {
      if (this.#phase === 'anonymous' && data.length > limits.maxHello) {
        return this.close(closeCodes.tooBig, 'the first frame is too large')
      }
      frame = parseFrame(data, binary)
    } catch (error) {
      this.#refuse(undefined, error)
      if (this.#phase === 'anonymous' || ++this.#strikes >= limits.strikes)
        this.close(closeCodes.malformed, 'malformed frames')
      return
    }
    if (this.#phase === 'closed') return
    if (frame.t === 'hello') return void this.#onHello(frame)
    if (this.#phase !== 'live') return this.close(closeCodes.malformed, 'the first frame is hello')
    this.#onFrame(frame)
  }

  #onFrame(frame: Frame): void {
    switch (frame.t) {
      case 'ping':
        return this.#send({ t: 'pong', d: { position: this.#seen } })
      case 'pong':
      case 'ack':
        return
      case 'bye':
        return void this.#bye()
      case 'sync':
        return void this.#sync(frame)
      case 'sub.set':
        return this.#subscribe(frame)
      case 'auth.refresh':
        return void this.#refresh(frame)
      default:
        return void this.#command(frame)
    }
  }

  async #onHello(frame: Frame): Promise<void> {
    if (this.#phase !== 'anonymous') return this.close(closeCodes.tooMuch, 'a second hello')
    this.#phase = 'greeting'
    const { ticket, resume, subs } = frame.d as { ticket?: unknown; resume?: unknown; subs?: unknown }
    try {
      const principal =
        typeof ticket === 'string' ? await this.#deps.accounts.redeemTicket(ticket, this.#info.origin) : null
      if ((this.#phase as Phase) === 'closed') return
      if (principal === null) return this.close(closeCodes.ticket, 'the ticket is not valid; get a new one')
      clearTimeout(this.#helloTimer)
      this.#principal = principal
      this.#info.greeted()
      this.#intents = intentsIn(subs)
      await this.#deps.presence.connected({ id: this.sessionId, agent: principal.agent })
      await this.#welcome(resume)
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'an agent could not be greeted')
      this.close(1011, 'try again')
    }
  }

  /**
   * Replays from the client's cursor to the head of this node, then goes live. The last look at the log and the change to
   * live happen in one turn, so that no event falls between.
   */
  async #welcome(resume: unknown): Promise<void> {
    const { reader } = this.#deps
    const cursor = cursorIn(resume)
    let mode: 'fresh' | 'resumed' | 'resync' = 'fresh'
    let pending: readonly StoredEvent[] = []
    if (cursor !== null) {
      const events = cursor.epoch === reader.epoch ? await collect(reader, cursor.position) : null
      mode = events === null ? 'resync' : 'resumed'
      pending = events ?? []
    }
    if (this.#phase === 'closed') return
    const start = mode === 'resumed' ? cursor!.position : reader.head()
    this.#sent = this.#seen = start
    const { principal } = this
    this.#send({
      t: 'welcome',
      d: {
        sessionId: this.sessionId,
        agent: { id: principal!.agent, name: principal!.name, role: principal!.role },
        scopes: [...principal!.scopes],
        hbMs: limits.heartbeatMs,
        limits: { maxFrame: limits.maxFrame, rate: limits.ratePerSecond, inflight: limits.inflight },
        epoch: reader.epoch,
        position: start,
        mode,
        snapshotUrl: '/v1/agent/snapshot',
      },
    })
    if (mode === 'resync')
      this.#send({ t: 'resync', d: { reason: cursor!.epoch === reader.epoch ? 'too_old' : 'epoch_changed' } })
    this.#phase = 'live'
    for (const event of pending) this.#offer(wireOf(event))
  }

  /** The client saw a hole: replay from its position, or tell it to resync. */
  async #sync(frame: Frame): Promise<void> {
    const { position } = frame.d as { position?: unknown }
    if (typeof position !== 'number' || !Number.isSafeInteger(position) || position < 0) {
      return this.#refuse(frame.id, new ThroughlineError('TL_COMMAND_INVALID', '/position must be a whole number'))
    }
    // Nothing is delivered meanwhile; `deliver` would otherwise overtake the replay.
    this.#phase = 'greeting'
    const events = await collect(this.#deps.reader, position).catch(() => null)
    if ((this.#phase as Phase) === 'closed') return
    this.#phase = 'live'
    if (events === null) {
      this.#sent = this.#seen = this.#deps.reader.head()
      return this.#send({ t: 'resync', d: { reason: 'gap', epoch: this.#deps.reader.epoch, position: this.#seen } })
    }
    this.#sent = this.#seen = position
    for (const event of events) this.#offer(wireOf(event))
  }

  #subscribe(frame: Frame): void {
    this.#intents = intentsIn(frame.d)
    this.#send({
      t: 'result',
      re: frame.id,
      ok: true,
      data: { intents: this.#intents === null ? 'all' : [...this.#intents] },
    })
  }

  async #refresh(frame: Frame): Promise<void> {
    const { ticket } = frame.d as { ticket?: unknown }
    const principal =
      typeof ticket === 'string'
        ? await this.#deps.accounts.redeemTicket(ticket, this.#info.origin).catch(() => null)
        : null
    if (principal === null || principal.agent !== this.#principal?.agent)
      return this.close(closeCodes.ticket, 'the ticket is not valid')
    this.#principal = principal
    this.#send({ t: 'result', re: frame.id, ok: true, data: { scopes: [...principal.scopes] } })
  }

  async #bye(): Promise<void> {
    this.#phase = 'closed'
    await this.#deps.presence.disconnected(this.sessionId, true).catch(() => undefined)
    this.#deps.ended(this)
    this.#socket.close(1000, 'bye')
  }

  async #command(frame: Frame): Promise<void> {
    const principal = this.#principal!
    if (!this.#pace.admit()) {
      this.#refuse(
        frame.id,
        new ThroughlineError('TL_SOCKET_RATE_LIMITED', 'too many commands', { details: { retryAfterMs: 1000 } }),
      )
      if (++this.#strikes > limits.rateBurst) this.close(closeCodes.tooMuch, 'too many commands')
      return
    }
    if (this.#inflight >= limits.inflight) {
      return this.#refuse(
        frame.id,
        new ThroughlineError('TL_SOCKET_RATE_LIMITED', 'too many commands under way', {
          details: { retryAfterMs: 250 },
        }),
      )
    }
    this.#inflight += 1
    try {
      const { data, replayed } = await runCommand(this.#deps, principal, {
        type: frame.t,
        id: frame.id,
        data: frame.d,
        ifVersion: frame.ifVersion,
      })
      if (data === undefined) return
      this.#send({ t: 'result', re: frame.id, ok: true, data, ...(replayed ? { replayed: true } : {}) })
    } catch (error) {
      this.#refuse(frame.id, error)
    } finally {
      this.#inflight -= 1
    }
  }

  #refuse(re: string | undefined, error: unknown): void {
    if (isThroughlineError(error) && error.status < 500) {
      return this.#send({ t: 'error', re, code: error.code, message: error.message, ...error.details })
    }
    const ref = this.#deps.ids()
    this.#deps.log.error({ err: error, ref, agent: this.#principal?.agent }, 'a command failed')
    this.#send({
      t: 'error',
      re,
      code: 'TL_INTERNAL_FAILED',
      message: 'it failed here; the reference stands in the log',
      ref,
    })
  }

  #onClose(): void {
    this.#over(false)
  }

  #over(revoked: boolean): void {
    clearTimeout(this.#helloTimer)
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#deps.ended(this)
    if (this.#principal === null) return
    this.#deps.presence.disconnected(this.sessionId, revoked).catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, "the end of an agent's session could not be stored; its lease runs out")
    })
  }
}
