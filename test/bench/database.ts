import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Scope } from './scope.js'

interface Embedded {
  startEmbedded(options: { dataDir: string; log: object }): Promise<{ url: string; stop(): Promise<void> }>
}

const nothing = (): void => undefined

/** The product's own PostgreSQL with the product's settings: durable, as delivered. */
export async function startDatabase(scope: Scope): Promise<string> {
  const file = new URL('../../../core/dist/src/store/embedded.js', import.meta.url)
  const { startEmbedded } = (await import(file.href)) as Embedded
  const folder = await mkdtemp(join(tmpdir(), 'throughline-bench-'))
  await chmod(folder, 0o711)
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const server = await startEmbedded({ dataDir: join(folder, 'postgres'), log })
  scope.teardown(() => rm(folder, { recursive: true, force: true }))
  scope.teardown(() => server.stop())
  return server.url
}

/** A database beside the first one on the same server. */
export async function createDatabase(url: string, name: string): Promise<string> {
  await query(url, `create database ${name}`)
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}

export async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const result = await client.query(text)
    return result.rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}
