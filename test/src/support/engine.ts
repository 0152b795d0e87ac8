import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, within } from './eventually.js'
import { freePort } from './free-port.js'
import { cliFile } from './repository.js'
import { makeWorkplace, type Workplace } from './workplace.js'

/** The part of a tap test used here; what is registered last runs first. */
export interface TestWithTeardown {
  teardown(fn: () => unknown): void
}

export interface EngineOptions {
  /** What throughline.yaml says. Absent: the file the product is delivered with. */
  readonly config?: object | string
  /** A place where an engine has run before: same configuration, same data. */
  readonly workplace?: Workplace
  /** Absent: the engine starts the PostgreSQL of its own. */
  readonly databaseUrl?: string
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** `throughline start` as a process of its own. */
export interface EngineProcess {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly workplace: Workplace
  /** The one-time code that signs the first agent in. */
  readonly signInCode: string
  /** All it has printed, logs included. */
  output(): string
  readonly ended: Promise<Ended>
  kill9(): Promise<void>
  /** SIGTERM; answers how it ended. */
  term(): Promise<Ended>
}

/** As `npm start`, the bin and the deployment files have them. */
const engineFlags = ['--max-semi-space-size=32']
const START_MS = 60_000
const STOP_MS = 40_000

/** Starts an engine and waits for its `ready` line. It is gone, with its data, when the test is over. */
export async function startEngineProcess(t: TestWithTeardown, options: EngineOptions = {}): Promise<EngineProcess> {
  const workplace = options.workplace ?? (await makeWorkplace(options.config))
  if (options.workplace === undefined) t.teardown(() => workplace.remove())
  const port = options.port ?? (await freePort())
  const child = spawn(process.execPath, [...engineFlags, cliFile, 'start', '--config', workplace.configFile], {
    cwd: workplace.dir,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      LOG_LEVEL: 'warn',
      PORT: String(port),
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => (text += chunk))
  }
  let over = false
  // A test file that is ended before its teardown must not leave an engine behind.
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  const ended = new Promise<Ended>((resolve) => {
    // 'close' comes after the last of its output.
    child.once('close', (code, signal) => {
      over = true
      process.off('exit', onExit)
      resolve({ code, signal })
    })
  })
  const kill9 = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(async () => {
    if (!over) await kill9()
    if (options.databaseUrl === undefined) await endEmbeddedPostgres(workplace)
  })

  const ready = /^ready +(\S+)/m
  await eventually('the line `ready`', () => over || ready.test(text), {
    patienceMs: START_MS,
    tell: () => text,
  })
  const url = ready.exec(text)?.[1]
  if (url === undefined) {
    const { code, signal } = await ended
    throw new Error(`the engine ended before it was ready (code ${code}, signal ${signal}):\n${text}`)
  }
  const code = await eventually('the one-time sign-in', () => /--code (\S+)/.exec(text)?.[1], { tell: () => text })
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? -1,
    workplace,
    signInCode: code,
    output: () => text,
    ended,
    kill9,
    async term() {
      child.kill('SIGTERM')
      return within(STOP_MS, `the end of the engine after SIGTERM\n${text}`, ended)
    },
  }
}

/** A killed engine leaves its PostgreSQL running for the next one; after the last test of a place nobody comes. */
async function endEmbeddedPostgres({ dir }: Workplace): Promise<void> {
  const pid = await embeddedPostgresPid(dir)
  if (pid === null) return
  try {
    process.kill(pid, 'SIGQUIT')
    await eventually('the end of the embedded PostgreSQL', () => !isAlive(pid))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Pid of the PostgreSQL that runs over the data of a place; null: none. */
export async function embeddedPostgresPid(dir: string): Promise<number | null> {
  const file = join(dir, 'data', 'postgres', 'cluster', 'pgdata', 'postmaster.pid')
  const text = await readFile(file, 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  return pid > 1 && isAlive(pid) ? pid : null
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
