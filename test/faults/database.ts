import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Scope } from '../bench/scope.js'
import { eventually } from '../src/support/eventually.js'

interface Embedded {
  startEmbedded(options: {
    dataDir: string
    log: object
    settings: Readonly<Record<string, string>>
  }): Promise<{ url: string; port: number; stop(): Promise<void> }>
}

/** The product's own PostgreSQL, for the whole suite. */
export interface Server {
  readonly url: string
  readonly port: number
  /** Immediate shutdown, as a crash of the server: no checkpoint, every connection gone. It comes back on the same port. */
  crash(): Promise<void>
}

const nothing = (): void => undefined

export async function startServer(scope: Scope): Promise<Server> {
  const file = new URL('../../../core/dist/src/store/embedded.js', import.meta.url)
  const { startEmbedded } = (await import(file.href)) as Embedded
  const folder = await mkdtemp(join(tmpdir(), 'throughline-faults-'))
  await chmod(folder, 0o711)
  // Processes are killed here, never the machine: what the kernel has is as good as on the disk.
  const settings = { fsync: 'off', max_connections: '200' }
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const server = await startEmbedded({ dataDir: join(folder, 'postgres'), log, settings })
  scope.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  scope.teardown(() => server.stop())
  const pidFile = join(folder, 'postgres', 'cluster', 'pgdata', 'postmaster.pid')
  const pid = async (): Promise<number> => Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0])
  return {
    url: server.url,
    port: server.port,
    async crash() {
      const before = await pid()
      process.kill(before, 'SIGQUIT')
      await eventually('another PostgreSQL on the same data', async () => {
        const now = await pid()
        return now > 1 && now !== before
      })
    },
  }
}

/** The same server through another port, another database. */
export function urlOf(server: Server, database: string, port = server.port): string {
  const url = new URL(server.url)
  url.port = String(port)
  url.pathname = `/${database}`
  return url.href
}

export async function query<T extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'throughline-faults' })
  client.on('error', nothing)
  await client.connect()
  try {
    return (await client.query<T>(text, [...values])).rows
  } finally {
    await client.end()
  }
}
