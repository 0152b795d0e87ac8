import type { NatsConnection, Subscription } from '@nats-io/transport-node'
import { PluginError, hintBytes, isPluginError, type Bus, type Context, type Hint } from '@throughline/plugin-sdk'
import type { NatsConfig } from './config.js'
import { open } from './connection.js'

/** How long a start waits for the first connection before it goes on without. */
const PATIENCE_MS = 3_000
const RETRY_MAX_MS = 10_000

/**
 * Hints over one NATS subject. Nothing is kept: what is published without a connection is refused, and after every
 * connection the receiver is told to look everywhere.
 */
export class NatsBus implements Bus {
  readonly #context: Context<'bus', NatsConfig>
  readonly #receivers = new Set<(hint: Hint) => void>()
  readonly #stopping = new AbortController()
  #connection: NatsConnection | null = null
  #connected = false
  #subscription: Subscription | null = null
  #running: Promise<void> | null = null

  constructor(context: Context<'bus', NatsConfig>) {
    this.#context = context
  }

  /** Resolves with the first connection, or without one after a while: a bus that is away keeps no engine from starting. */
  async start(): Promise<void> {
    if (this.#running !== null || this.#stopping.signal.aborted) return
    await new Promise<void>((resolve) => {
      const patience = setTimeout(resolve, PATIENCE_MS)
      this.#running = this.#run(() => {
        clearTimeout(patience)
        resolve()
      })
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    const connection = this.#connection
    this.#connection = null
    this.#connected = false
    this.#subscription = null
    await connection?.close().catch(() => undefined)
    await this.#running
  }

  publish(hint: Hint): Promise<void> {
    const text = JSON.stringify(hint)
    if (Buffer.byteLength(text) > hintBytes) {
      return Promise.reject(new PluginError('permanent', `a hint is at most ${hintBytes} bytes`))
    }
    const connection = this.#connection
    // The client would keep it for later, and a hint of yesterday helps nobody.
    if (connection === null || !this.#connected) {
      return Promise.reject(new PluginError('retryable', 'there is no connection to NATS'))
    }
    try {
      connection.publish(this.#context.config.subject, text)
      return Promise.resolve()
    } catch (error) {
      return Promise.reject(new PluginError('retryable', 'NATS did not take the hint', { cause: error }))
    }
  }

  subscribe(receive: (hint: Hint) => void): () => void {
    this.#receivers.add(receive)
    this.#listen()
    if (this.#connected) receive({ topic: '*', node: '' })
    return () => {
      this.#receivers.delete(receive)
      if (this.#receivers.size > 0) return
      this.#subscription?.unsubscribe()
      this.#subscription = null
    }
  }

  /** Connects with growing pauses; the client itself comes back after that, so this loop goes on only when it gave up. */
  async #run(settled: () => void): Promise<void> {
    const { signal } = this.#stopping
    for (let pause = 250; !signal.aborted; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
      try {
        const connection = await open(this.#context.config, `throughline ${this.#context.id}`)
        if (signal.aborted) return await connection.close().catch(() => undefined)
        pause = 250
        await this.#use(connection, settled)
      } catch (error) {
        this.#down(error)
      }
      if (signal.aborted) break
      await sleep(pause * (0.75 + Math.random() / 2), signal)
    }
    settled()
  }

  async #use(connection: NatsConnection, settled: () => void): Promise<void> {
    this.#connection = connection
    this.#up()
    settled()
    const watching = this.#watch(connection)
    const closed = await connection.closed()
    await watching
    if (this.#connection === connection) {
      this.#connection = null
      this.#subscription = null
    }
    if (!this.#stopping.signal.aborted) this.#down(closed)
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#down(undefined)
      else if (status.type === 'reconnect') this.#up()
    }
  }

  #up(): void {
    this.#connected = true
    this.#context.setHealth({ status: 'ok' })
    this.#listen()
    this.#tell({ topic: '*', node: '' })
  }

  #down(error: unknown): void {
    this.#connected = false
    if (this.#stopping.signal.aborted) return
    const auth = isPluginError(error) && error.code === 'auth'
    this.#context.setHealth({
      status: 'degraded',
      code: auth ? 'auth' : 'retryable',
      detail: auth ? 'NATS refuses the credentials' : 'there is no connection to NATS; nodes find news by polling',
      userAction: auth ? 'Correct token, user or credentials.' : 'Start NATS, or correct `servers`.',
    })
  }

  /** One subscription a connection, and only while somebody listens; the client renews it when it comes back. */
  #listen(): void {
    if (this.#connection === null || this.#subscription !== null || this.#receivers.size === 0) return
    this.#subscription = this.#connection.subscribe(this.#context.config.subject, {
      callback: (error, message) => {
        if (error !== null || message.data.byteLength > hintBytes) return
        const hint = hintOf(message.string())
        if (hint !== null) this.#tell(hint)
      },
    })
  }

  #tell(hint: Hint): void {
    for (const receive of this.#receivers) receive(hint)
  }
}

/** Anybody on the subject can say anything: what is no hint is nothing. */
export function hintOf(text: string): Hint | null {
  try {
    const value = JSON.parse(text) as Partial<Hint> | null
    if (typeof value?.topic !== 'string' || typeof value.node !== 'string') return null
    const { topic, node, position, key, data } = value
    return {
      topic,
      node,
      ...(typeof position === 'string' ? { position } : {}),
      ...(typeof key === 'string' ? { key } : {}),
      ...(typeof data === 'string' ? { data } : {}),
    }
  } catch {
    return null
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
