import { migrations } from '@throughline/migrations'
import { Logger, runMigrations } from 'graphile-worker'
import { Kysely, Migrator, PostgresDialect } from 'kysely'
import type pg from 'pg'
import { ThroughlineError } from '../errors.js'
import { createPool } from './pool.js'
import type { StoreLog } from './store-log.js'

/** Advisory lock of the database being migrated: one node at a time, the others wait. */
const MIGRATION_LOCK = '7310582249134502'
const TABLE = 'kysely_migration'

/**
 * Brings the database to this release's schema, ours and graphile-worker's. Forward only. Each node runs it at start;
 * concurrent ones wait for the lock and then find nothing to do. A database that a newer release has migrated is left
 * as it is with a warning: in a rolling upgrade the previous release keeps working.
 */
export async function migrate(store: { readonly url: string }, log: StoreLog): Promise<void> {
  // A pool of its own: no statement timeout, and a session lock that the connection's end releases whatever happens.
  const pool = createPool({ url: store.url, log, size: 3, statementTimeoutMs: 0 })
  try {
    const lock = await pool.connect()
    try {
      await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
      await migrateOwn(pool, log)
      await migrateJobs(pool, log)
    } finally {
      lock.release(true)
    }
  } catch (error) {
    if (error instanceof ThroughlineError) throw error
    throw new ThroughlineError(
      'TL_STORE_MIGRATION_FAILED',
      'The database could not be brought to the schema of this release; the failed step was rolled back. ' +
        'Read the cause, correct it (rights, space, locks), and start again.',
      { cause: error },
    )
  } finally {
    await pool.end()
  }
}

/** Names of this release's own migrations, in order. */
export const knownMigrations = (): readonly string[] => Object.keys(migrations).sort()

/** Until the transaction of this connection ends, no node migrates, and none that starts gets past its migration. */
export async function lockMigrations(client: pg.ClientBase): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
}

/** The own schema exactly as these migrations make it, inside the caller's transaction; for a restore into a wiped database. */
export async function migrateInside(client: pg.PoolClient, names: readonly string[]): Promise<void> {
  // Kysely gives its connection back after every statement; here it stays the caller's.
  const lent = { query: client.query.bind(client), release: () => undefined } as unknown as pg.PoolClient
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: { connect: () => Promise.resolve(lent), end: () => Promise.resolve() } }),
  })
  const chosen = Object.fromEntries(Object.entries(migrations).filter(([name]) => names.includes(name)))
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(chosen) },
    migrationTableName: TABLE,
    migrationLockTableName: `${TABLE}_lock`,
    disableTransactions: true,
  })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error as Error
}

async function migrateOwn(pool: pg.Pool, log: StoreLog): Promise<void> {
  const unknown = await unknownMigrations(pool)
  if (unknown.length > 0) {
    log.warn({ unknown }, 'the database was migrated by a newer release; it is used as it is')
    return
  }
  // Kysely borrows the pool; it must not end it.
  const borrowed = { connect: () => pool.connect(), end: () => Promise.resolve() }
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: borrowed }) })
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
    migrationTableName: TABLE,
    migrationLockTableName: `${TABLE}_lock`,
  })
  const { error, results } = await migrator.migrateToLatest()
  await db.destroy()
  const applied = results?.filter((result) => result.status === 'Success').map((result) => result.migrationName) ?? []
  if (applied.length > 0) log.info({ applied }, 'database migrated')
  if (error === undefined) return
  const failed = results?.find((result) => result.status === 'Error')?.migrationName
  throw new ThroughlineError(
    'TL_STORE_MIGRATION_FAILED',
    `Migration ${failed ?? '(none began)'} failed and was rolled back: ${(error as Error).message}. ` +
      'Correct the reason and start again; the migrations before it stay applied.',
    { cause: error, details: { migration: failed } },
  )
}

/** Migrations that the database has and this release does not know; only a newer release can have made them. */
async function unknownMigrations(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ present: string | null }>('select to_regclass($1) as present', [TABLE])
  if (!rows[0]?.present) return []
  const applied = await pool.query<{ name: string }>(`select name from ${TABLE} order by name`)
  return applied.rows.map((row) => row.name).filter((name) => !(name in migrations))
}

async function migrateJobs(pool: pg.Pool, log: StoreLog): Promise<void> {
  await runMigrations({
    pgPool: pool,
    logger: new Logger(() => (level: string, message) => {
      if (level === 'error') log.error({}, `graphile-worker: ${message}`)
      else if (level === 'warning') log.warn({}, `graphile-worker: ${message}`)
    }),
  })
}
