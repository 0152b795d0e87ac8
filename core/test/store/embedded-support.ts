import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from '../../src/store/embedded.js'
import { isAlive } from '../../src/store/embedded-process.js'
import { silentLog } from '../support/cluster.js'

interface Teardown {
  teardown(fn: () => unknown): void
}

/** A folder that other users may pass, removed at the end. */
export async function temporaryFolder(t: Teardown, mode = 0o711): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-embedded-'))
  await chmod(folder, mode)
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Starts (or joins) the server of a data folder; stopped at the end unless the test did. */
export async function start(
  t: Teardown,
  dataDir: string,
  more: Partial<EmbeddedOptions> = {},
): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir, log: silentLog, settings: { fsync: 'off' }, ...more })
  t.teardown(() => server.stop())
  return server
}

export interface EngineProcess {
  readonly process: ChildProcess
  readonly url: string
  readonly pid: number
  readonly joined: boolean
}

/** An engine in a process of its own, optionally as another user. */
export async function startEngine(
  t: Teardown,
  dataDir: string,
  ids: { uid?: number; gid?: number } = {},
): Promise<EngineProcess> {
  const script = fileURLToPath(new URL('../support/embedded-engine.js', import.meta.url))
  const child = spawn(process.execPath, [script, dataDir], {
    ...ids,
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
    // tap's bookkeeping of child processes has to be where the other user may write.
    env: { ...process.env, _TAPJS_PROCESSINFO_CWD_: dataDir },
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.stdin.end()
    await once(child, 'exit')
  })
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    child.once('exit', (code) => reject(new Error(`the engine ended before it was ready (${code})`)))
  })
  return { process: child, ...(JSON.parse(line) as { url: string; pid: number; joined: boolean }) }
}

export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Repeats until it succeeds; the test's own time limit is the bound. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries > 600) throw error
      await delay(50)
    }
  }
}

export const gone = (pid: number): Promise<void> =>
  eventually(async () => {
    if (isAlive(pid)) throw new Error(`process ${pid} is still there`)
  })
