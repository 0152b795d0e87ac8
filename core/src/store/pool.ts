import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ThroughlineError } from '../errors.js'
import { createNames, prepareStatements } from './prepared.js'
import type { StoreLog } from './store-log.js'

const INT8 = 20
const DATE = 1082
const INT8_ARRAY = 1016
const TIMESTAMPTZ = 1184

/**
 * How values arrive: int8 as number (positions and counts stay below 2^53; a larger one is an error, never a rounded
 * number), timestamptz as Date, date as the text YYYY-MM-DD (a Date would move it by the machine's time zone).
 */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
    if (format !== 'binary') {
      if (oid === INT8) return parseInt8
      if (oid === DATE) return (value) => value
      if (oid === INT8_ARRAY) return parseInt8Array
      if (oid === TIMESTAMPTZ) return parseTime
    }
    return (format === 'binary' ? pg.types.getTypeParser(oid, 'binary') : pg.types.getTypeParser(oid, 'text')) as (
      value: string,
    ) => unknown
  },
}

const driversTime = pg.types.getTypeParser(TIMESTAMPTZ, 'text') as (value: string) => unknown

/** Our sessions speak UTC: `2026-11-21 08:01:55.123456+00`. Anything else is for the driver. */
function parseTime(value: string): unknown {
  const plain = value.endsWith('+00') && value.charCodeAt(10) === 32 && value.charCodeAt(4) === 45
  if (!plain) return driversTime(value)
  return new Date(`${value.slice(0, 10)}T${value.slice(11, Math.min(23, value.length - 3))}Z`)
}

function parseInt8(value: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError(`the database holds an int8 beyond 2^53: ${value}`)
  return number
}

/** One-dimensional arrays are all we use. */
function parseInt8Array(value: string): (number | null)[] {
  if (value === '{}') return []
  return value
    .slice(1, -1)
    .split(',')
    .map((item) => (item === 'NULL' ? null : parseInt8(item)))
}

export interface PoolOptions {
  readonly url: string
  readonly log: StoreLog
  readonly size?: number | undefined
  /** Statements may be under way together on one connection (see `inTransaction`); not for COPY. */
  readonly pipeline?: boolean
  /** Milliseconds; 0 = no limit (migrations). */
  readonly statementTimeoutMs?: number
}

export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.size ?? 10,
    application_name: 'throughline',
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    // A node that stands still inside a transaction keeps its locks from everybody: no longer than its leases live.
    idle_in_transaction_session_timeout: options.statementTimeoutMs === 0 ? 0 : 20_000,
    connectionTimeoutMillis: 15_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    pipeline: options.pipeline ?? false,
    // What a client sends at the start of a session; the engine never shows local times of the server.
    options: '-c TimeZone=UTC',
    types,
  })
  // An idle connection that breaks (server restarted) is replaced by the pool; without a listener it would end us.
  pool.on('error', (error) =>
    options.log.warn({ code: (error as { code?: string }).code }, 'a database connection broke'),
  )
  // One that breaks while it is lent out fails the borrower's query as well; that is where it is handled.
  const nameOf = createNames()
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    prepareStatements(client, nameOf)
  })
  return pool
}

/** host:port of a connection string, for messages: never the user or the password. */
export function serverName(url: string): string {
  try {
    const parsed = new URL(url)
    const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost'
    return `${decodeURIComponent(host)}:${parsed.port || parsed.searchParams.get('port') || '5432'}`
  } catch {
    return 'the address in DATABASE_URL'
  }
}

/** Refused for good: bad password, unknown role, no such database, not allowed in pg_hba.conf. */
const FINAL_CODES = new Set(['28P01', '28000', '3D000', '42501'])

/** Waits until the server takes queries and checks its version. A database container often comes up after the engine. */
export async function waitUntilReachable(input: {
  url: string
  log: StoreLog
  patienceMs?: number | undefined
  signal?: AbortSignal | undefined
}): Promise<void> {
  const patience = input.patienceMs ?? 30_000
  const end = performance.now() + patience
  const server = serverName(input.url)
  for (let pause = 100, told = false; ; pause = Math.min(pause * 2, 2_000)) {
    input.signal?.throwIfAborted()
    let cause: unknown
    try {
      checkVersion(await serverVersion(input.url, Math.max(1_000, Math.min(5_000, end - performance.now()))), server)
      return
    } catch (error) {
      if (error instanceof ThroughlineError) throw error
      cause = error
    }
    const code = (cause as { code?: string }).code ?? (cause as Error).message
    if (FINAL_CODES.has(code)) {
      throw new ThroughlineError(
        'TL_STORE_UNAVAILABLE',
        `PostgreSQL at ${server} refuses the connection (${code}). Correct the user, password or database name in ` +
          'DATABASE_URL, or create the database.',
        { cause, details: { server } },
      )
    }
    if (performance.now() + pause > end) {
      throw new ThroughlineError(
        'TL_STORE_UNAVAILABLE',
        `PostgreSQL at ${server} did not answer within ${Math.round(patience / 1000)} s (${code}). Start it or correct ` +
          'DATABASE_URL; without DATABASE_URL the engine runs its own PostgreSQL.',
        { cause, details: { server } },
      )
    }
    if (!told) input.log.warn({ server, code }, 'waiting for PostgreSQL')
    told = true
    await delay(pause, undefined, input.signal ? { signal: input.signal } : {})
  }
}

async function serverVersion(connectionString: string, connectionTimeoutMillis: number): Promise<number> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis,
    query_timeout: 5_000,
    application_name: 'throughline',
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ version: string }>(`select current_setting('server_version_num') as version`)
    return Number(rows[0]?.version)
  } finally {
    await client.end().catch(() => undefined)
  }
}

function checkVersion(version: number, server: string): void {
  if (version >= 140_000) return
  throw new ThroughlineError(
    'TL_STORE_UNAVAILABLE',
    `PostgreSQL at ${server} is version ${Math.floor(version / 10_000)}; Throughline needs 14 or newer. Upgrade it, or ` +
      'leave DATABASE_URL out to use the embedded one.',
    { details: { server, version } },
  )
}
