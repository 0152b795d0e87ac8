import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/store/embedded.js'
import { migrate } from '../../src/store/migrate.js'
import type { StoreLog } from '../../src/store/store-log.js'

/** Name of the migrated database that every test database is a copy of. */
export const TEMPLATE = 'throughline_template'

const nothing = (): void => undefined
export const silentLog: StoreLog = Object.freeze({ debug: nothing, info: nothing, warn: nothing, error: nothing })

/** Durability costs time and a test's data is thrown away anyway. */
const FAST = Object.freeze({
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  shared_buffers: '128MB',
  max_wal_size: '256MB',
  autovacuum_naptime: '10min',
})

/** What the databases of the tests at hand and their log need, many times over. */
const ROOM_BYTES = 4e9

export interface TestCluster {
  /** The migrated template; not for connecting to while tests run. */
  readonly url: string
  stop(): Promise<void>
}

/** A PostgreSQL in a temporary folder with a migrated template database; `stop` removes both. */
export async function startTestCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(await quickFolder(), 'throughline-test-'))
  // Run as root, the server is another user's and has to pass.
  await chmod(folder, 0o711)
  const watchdog = startWatchdog(folder)
  const discard = async (): Promise<void> => {
    watchdog.kill()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const server = await startEmbedded({ dataDir: join(folder, 'postgres'), log: silentLog, settings: FAST })
    try {
      await onDatabase(server.url, (client) => client.query(`create database ${TEMPLATE}`))
      const url = databaseUrl(server.url, TEMPLATE)
      await migrate({ url }, silentLog)
      return {
        url,
        stop: async () => {
          await server.stop()
          await discard()
        },
      }
    } catch (error) {
      await server.stop()
      throw error
    }
  } catch (error) {
    await discard()
    throw error
  }
}

/** Every database is some 330 files, made and removed for one test: in memory that takes 30 ms, on a disk up to 400. */
async function quickFolder(): Promise<string> {
  const memory = '/dev/shm'
  const space = await statfs(memory).catch(() => null)
  return space !== null && space.bavail * space.bsize > ROOM_BYTES ? memory : tmpdir()
}

/**
 * A killed engine's server lives on for the next engine, which is right in production and litter after tests. The
 * watchdog reads from a pipe that ends with this process, however it ends, and then removes server and folder.
 */
function startWatchdog(folder: string): ChildProcess {
  const script = 'cat; kill -QUIT "$(head -n 1 "$1/postgres/cluster/pgdata/postmaster.pid")"; sleep 1; rm -rf "$1"'
  const child = spawn('sh', ['-c', script, 'watchdog', folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.on('error', () => undefined)
  child.stdin.on('error', () => undefined)
  child.unref()
  ;(child.stdin as Socket).unref()
  return child
}

/** The same server, another database. */
export function databaseUrl(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

/** Runs something on a short connection. */
export async function onDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'throughline-test' })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
