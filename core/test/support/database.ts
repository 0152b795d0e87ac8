import { randomUUID } from 'node:crypto'
import { t as file } from 'tap'
import { openStore, type Store } from '../../src/store/store.js'
import { databaseUrl, onDatabase, silentLog, startTestCluster, TEMPLATE, type TestCluster } from './cluster.js'

/** The part of a tap test used here; `t.teardown` runs last in, first out, and may be async. */
interface TestWithTeardown {
  teardown(fn: () => void | Promise<void>): void
}

let own: Promise<TestCluster> | undefined
let drops: Promise<void>[] | undefined

/**
 * A fresh, migrated database of the test's own, dropped at teardown. The server is the test runner's
 * (THROUGHLINE_TEST_PG); a test file run directly starts one for itself and stops it after its last test.
 */
export async function withDatabase(t: TestWithTeardown, options: { poolSize?: number } = {}): Promise<Store> {
  const url = await withDatabaseUrl(t)
  const store = await openStore({ url, dataDir: '', log: silentLog, ...options })
  t.teardown(() => store.close())
  return store
}

/** The URL alone of such a database, for what opens its own store: a whole engine, a second node. */
export async function withDatabaseUrl(t: TestWithTeardown): Promise<string> {
  // Copied as files, which without fsync costs a tenth of writing every page to the log.
  return createDatabase(t, `template ${TEMPLATE} strategy file_copy`)
}

/** The URL of a fresh, EMPTY database (no tables), dropped at teardown: for tests of the migrations themselves. */
export async function withEmptyDatabase(t: TestWithTeardown): Promise<string> {
  return createDatabase(t, '')
}

async function createDatabase(t: TestWithTeardown, template: string): Promise<string> {
  const server = await useServer()
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const admin = databaseUrl(server, 'postgres')
  await onDatabase(admin, (client) => client.query(`create database ${name} ${template}`))
  t.teardown(() => {
    drops ??= dropAtLeisure()
    const drop = onDatabase(admin, async (client) => void (await client.query(`drop database ${name} with (force)`)))
    // The file's end says what went wrong.
    drop.catch(() => undefined)
    drops.push(drop)
  })
  return databaseUrl(server, name)
}

/**
 * The server looks every 100 ms only whether a database's connections are gone, so the next test does not wait for it; the
 * file's end does.
 */
function dropAtLeisure(): Promise<void>[] {
  const under: Promise<void>[] = []
  file.teardown(async () => void (await Promise.all(under)))
  return under
}

async function useServer(): Promise<string> {
  const shared = process.env['THROUGHLINE_TEST_PG']
  if (shared) return shared
  if (own === undefined) {
    const cluster = startTestCluster()
    own = cluster
    // The file's end, not the test's: the next test of the file uses it again.
    file.teardown(async () => (await cluster).stop())
  }
  return (await own).url
}
