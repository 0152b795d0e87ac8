import { setTimeout as delay } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'
import { startEmbedded } from './embedded.js'
import { createPool, waitUntilReachable } from './pool.js'
import type { StoreLog } from './store-log.js'
import type { Tables } from './tables.js'

/** The engine's access to PostgreSQL. Everything that is remembered goes through it. */
export interface Store {
  readonly db: Kysely<Tables>
  /** The pool under `db`, for statements that are faster by hand and for graphile-worker. */
  readonly pool: pg.Pool
  /** Holds the password: never log it. */
  readonly url: string
  readonly embedded: boolean
  close(): Promise<void>
}

export interface StoreOptions {
  /** DATABASE_URL. Without it the engine runs its own PostgreSQL under dataDir. */
  readonly url?: string | undefined
  readonly dataDir: string
  readonly log: StoreLog
  readonly poolSize?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** How long to wait for the server at start. */
  readonly patienceMs?: number | undefined
}

export async function openStore(options: StoreOptions): Promise<Store> {
  const { log, signal } = options
  const embedded = options.url ? undefined : await startEmbedded({ dataDir: options.dataDir, log, signal })
  const url = options.url || (embedded?.url ?? '')
  try {
    await waitUntilReachable({ url, log, signal, patienceMs: options.patienceMs })
  } catch (error) {
    await embedded?.stop()
    throw error
  }
  const pool = createPool({ url, log, size: options.poolSize, pipeline: true })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  const close = async (): Promise<void> => {
    // The pool waits for lent connections; whoever forgot to give one back must not keep the engine from ending.
    const patience = new AbortController()
    const outcome = await Promise.race([
      db.destroy().then(() => 'ended'),
      delay(10_000, 'stuck', { signal: patience.signal }).catch(() => 'ended'),
    ])
    patience.abort()
    if (outcome === 'stuck') log.warn({}, 'a database connection was still in use when the store closed')
    await embedded?.stop()
  }
  let closed: Promise<void> | undefined
  return Object.freeze({ db, pool, url, embedded: embedded !== undefined, close: () => (closed ??= close()) })
}
