import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Logger } from '@throughline/plugin-sdk'

export interface ListenerDeps {
  readonly url: string
  readonly log: Logger
  readonly channels: readonly string[]
  /** `payload` null: the connection is new, anything may have happened. Must not throw. */
  readonly heard: (channel: string, payload: string | null) => void
}

const HEARTBEAT_MS = 15_000
const RETRY_MAX_MS = 5_000

/**
 * The node's one LISTEN connection. It dies silently more often than loudly, so a beat of its own checks it; after every
 * (re)connect all channels are announced with null. Losing it costs latency only: every reader also polls.
 */
export class Listener {
  readonly #deps: ListenerDeps
  #client: pg.Client | null = null
  #stopped = false
  #timer: NodeJS.Timeout | null = null
  #retryMs = 100

  constructor(deps: ListenerDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    await this.#connect().catch((error: unknown) => this.#lost(null, error))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearTimeout(this.#timer)
    const client = this.#client
    this.#client = null
    await client?.end().catch(() => undefined)
  }

  /** For tests and health: is the connection up? */
  get connected(): boolean {
    return this.#client !== null
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#deps.url,
      application_name: `throughline-listen-${randomUUID().slice(0, 8)}`,
      connectionTimeoutMillis: 10_000,
      query_timeout: 10_000,
      keepAlive: true,
    })
    client.on('error', (error) => this.#lost(client, error))
    client.on('end', () => this.#lost(client, null))
    client.on('notification', (message) => this.#deps.heard(message.channel, message.payload ?? ''))
    try {
      await client.connect()
      for (const channel of this.#deps.channels) await client.query(`listen ${client.escapeIdentifier(channel)}`)
    } catch (error) {
      await client.end().catch(() => undefined)
      throw error
    }
    if (this.#stopped) return void (await client.end().catch(() => undefined))
    this.#client = client
    this.#retryMs = 100
    for (const channel of this.#deps.channels) this.#deps.heard(channel, null)
    this.#beat(client)
  }

  #beat(client: pg.Client): void {
    this.#timer = setTimeout(() => {
      client.query('select 1').then(
        () => {
          if (this.#client === client) this.#beat(client)
        },
        (error: unknown) => this.#lost(client, error),
      )
    }, HEARTBEAT_MS)
  }

  #lost(client: pg.Client | null, error: unknown): void {
    if (this.#stopped || this.#client !== client) return
    this.#client = null
    if (this.#timer) clearTimeout(this.#timer)
    client?.end().catch(() => undefined)
    this.#deps.log.warn({ err: error }, 'the LISTEN connection broke; polling until it is back')
    const wait = this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
    this.#timer = setTimeout(() => {
      if (this.#stopped) return
      this.#connect().catch((cause: unknown) => this.#lost(null, cause))
    }, wait)
  }
}
