import pg from 'pg'
import { test } from 'tap'
import { migrate } from '../../src/store/migrate.js'
import { onDatabase, silentLog } from '../support/cluster.js'
import { withDatabase, withEmptyDatabase } from '../support/database.js'

const names = async (url: string): Promise<string[]> =>
  onDatabase(url, async (client) =>
    (await client.query('select name from kysely_migration order by name')).rows.map((row) => row.name as string),
  )

test('an empty database gets our schema and graphile-worker’s', async (t) => {
  const url = await withEmptyDatabase(t)
  await migrate({ url }, silentLog)
  t.match(await names(url), ['0001_init'])
  const jobs = await onDatabase(url, (client) => client.query('select count(*)::int as n from graphile_worker.jobs'))
  t.equal(jobs.rows[0]?.n, 0)
})

test('a second run finds nothing to do', async (t) => {
  const url = await withEmptyDatabase(t)
  await migrate({ url }, silentLog)
  const first = await names(url)
  await migrate({ url }, silentLog)
  t.strictSame(await names(url), first)
})

test('nodes that start together migrate once', async (t) => {
  const url = await withEmptyDatabase(t)
  await Promise.all(Array.from({ length: 4 }, () => migrate({ url }, silentLog)))
  t.equal(new Set(await names(url)).size, (await names(url)).length)
  t.match(await names(url), ['0001_init'])
})

test('a database of a newer release is used as it is, with a warning', async (t) => {
  const url = await withEmptyDatabase(t)
  await migrate({ url }, silentLog)
  await onDatabase(url, (client) =>
    client.query(`insert into kysely_migration (name, timestamp) values ('9999_future', now()::text)`),
  )
  const warnings: unknown[] = []
  await migrate({ url }, { ...silentLog, warn: (fields) => void warnings.push(fields) })
  t.match(warnings, [{ unknown: ['9999_future'] }])
})

test('a migration that fails is reported by name and leaves the database as it was', async (t) => {
  const url = await withEmptyDatabase(t)
  // A table of ours that is there already, made by a stranger, is in the way of the first migration.
  const [table] = await withDatabase(t).then(async (store) => {
    const { rows } = await store.pool.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'kysely%' order by 1 limit 1`,
    )
    return rows.map((row) => row.name)
  })
  await onDatabase(url, (client) => client.query(`create table ${pg.escapeIdentifier(table ?? '')} (stranger int)`))
  await t.rejects(migrate({ url }, silentLog), { code: 'TL_STORE_MIGRATION_FAILED', message: /0001_init/ })
  const { rows } = await onDatabase(url, (client) =>
    client.query(
      `select count(*)::int as n from pg_tables where schemaname = 'public' and tablename not like 'kysely%'`,
    ),
  )
  t.equal(rows[0]?.n, 1)
  t.strictSame(await names(url), [])
})
