import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { openStore } from '../../src/store/store.js'
import { anyPort } from '../../src/store/embedded-port.js'
import { migrate } from '../../src/store/migrate.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'
import { temporaryFolder } from './embedded-support.js'

test('values arrive as the code expects them', async (t) => {
  const { pool } = await withDatabase(t)
  const { rows } = await pool.query(
    `select 9007199254740991::int8 as big, array[1, null, 3]::int8[] as list, '{}'::int8[] as none,
            date '2024-03-10' as day, timestamptz '2024-03-10T12:00:00Z' as at, 1.5::numeric as exact`,
  )
  t.strictSame(rows, [
    {
      big: Number.MAX_SAFE_INTEGER,
      list: [1, null, 3],
      none: [],
      day: '2024-03-10',
      at: new Date('2024-03-10T12:00:00Z'),
      exact: '1.5',
    },
  ])
})

test('an integer that a number cannot hold is an error, never a rounded number', async (t) => {
  const { pool } = await withDatabase(t)
  await t.rejects(pool.query('select 9007199254740993::int8'), /beyond 2\^53/)
  const { rows } = await pool.query('select 1 as n')
  t.strictSame(rows, [{ n: 1 }], 'the pool still works')
})

test('every database of a test is its own', async (t) => {
  const [one, two] = await Promise.all([withDatabase(t), withDatabase(t)])
  t.not(one.url, two.url)
  await one.pool.query('create table only_here (n int)')
  await t.rejects(two.pool.query('select * from only_here'), { code: '42P01' })
})

test('connections are named and limited', async (t) => {
  const { pool } = await withDatabase(t)
  const { rows } = await pool.query(
    `select current_setting('application_name') as name, current_setting('statement_timeout') as statements,
            current_setting('idle_in_transaction_session_timeout') as idle`,
  )
  t.strictSame(rows, [{ name: 'throughline', statements: '30s', idle: '20s' }])
})

test('a lost connection ends neither the process nor the pool', async (t) => {
  const { pool } = await withDatabase(t)
  const client = await pool.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid])
  await t.rejects(client.query('select 1'))
  client.release(true)
  t.strictSame((await pool.query('select 1 as n')).rows, [{ n: 1 }])
})

test('a server that does not answer is named, its password is not', async (t) => {
  const port = await anyPort()
  const url = `postgres://someone:hunter2@127.0.0.1:${port}/db`
  const failure = await openStore({ url, dataDir: '', log: silentLog, patienceMs: 300 }).catch(
    (error: unknown) => error,
  )
  t.match(failure, { code: 'TL_STORE_UNAVAILABLE', message: new RegExp(`127\\.0\\.0\\.1:${port} did not answer`) })
  t.notMatch((failure as Error).message, /hunter2/)
})

test('refused credentials fail at once, without waiting', async (t) => {
  const { url } = await withDatabase(t)
  const wrong = new URL(url)
  wrong.password = 'hunter2'
  const failure = await openStore({ url: wrong.href, dataDir: '', log: silentLog }).catch((error: unknown) => error)
  t.match(failure, { code: 'TL_STORE_UNAVAILABLE', message: /refuses the connection \(28P01\)/ })
  t.notMatch((failure as Error).message, /hunter2/)
  const missing = new URL(url)
  missing.pathname = '/no_such_database'
  await t.rejects(openStore({ url: missing.href, dataDir: '', log: silentLog }), { message: /3D000/ })
})

test('waiting for the server ends when the engine is told to stop', async (t) => {
  const url = `postgres://x:y@127.0.0.1:${await anyPort()}/db`
  const abort = new AbortController()
  const opening = openStore({
    url,
    dataDir: '',
    signal: abort.signal,
    log: { ...silentLog, warn: () => abort.abort() },
  })
  await t.rejects(opening, { name: 'AbortError' })
})

test('without a URL the store brings its own PostgreSQL and takes it along when closed', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'postgres')
  const store = await openStore({ dataDir, log: silentLog })
  t.teardown(() => store.close())
  t.ok(store.embedded)
  await migrate(store, silentLog)
  t.strictSame((await store.pool.query('select count(*)::int as n from graphile_worker.jobs')).rows, [{ n: 0 }])
  await Promise.all([store.close(), store.close()])
  t.notOk((await readdir(join(dataDir, 'cluster', 'pgdata'))).includes('postmaster.pid'))
  const again = await openStore({ dataDir, log: silentLog })
  t.teardown(() => again.close())
  t.equal(again.url, store.url)
})
