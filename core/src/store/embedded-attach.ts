import type { ChildProcess } from 'node:child_process'
import { readFile, realpath } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ThroughlineError } from '../errors.js'
import type { Binaries } from './embedded-binaries.js'
import { SUPERUSER, writeFor, type ClusterLayout } from './embedded-cluster.js'
import { portFor } from './embedded-port.js'
import { findPostmaster, spawnServer, startLogTail, stopServer } from './embedded-process.js'
import type { ServerUser } from './embedded-user.js'
import type { StoreLog } from './store-log.js'

/** A live connection to the server of the data folder, whoever started it. */
export interface Attachment {
  readonly client: pg.Client
  readonly pid: number
  readonly port: number
  /** True when this call started the server; false when it found one running. */
  readonly started: boolean
}

export interface AttachInput {
  readonly layout: ClusterLayout
  readonly binaries: Binaries
  readonly user: ServerUser
  readonly password: string
  readonly settings: Readonly<Record<string, string>>
  readonly log: StoreLog
  readonly signal?: AbortSignal | undefined
  /** While an engine runs, its pools know the port: a restarted server has to come back on it. */
  readonly pinnedPort?: number | undefined
  /** How long a server may neither answer nor say that it is starting before it is taken for hung. */
  readonly hungAfterMs: number
}

/** A start that fails for a reason of its own is tried this often: the reason rarely goes away by itself. */
const MAX_FAILURES = 5
/** A start that fails because the killed predecessor's processes still end is tried this long. */
const PREDECESSOR_MS = 60_000
/** A replay of the log that takes longer than this is mentioned. */
const PATIENT_MS = 5_000

/**
 * Connects to the server of the data folder and starts it when there is none. Safe to run in several engines at once:
 * PostgreSQL's lock file picks one server, the others' attempts end by themselves and find it on the next round.
 */
export async function attach(input: AttachInput): Promise<Attachment> {
  const { layout, log } = input
  let child: ChildProcess | undefined
  const begun = performance.now()
  let failures = 0
  let toldBusy = false
  let silentSince: number | undefined
  try {
    for (let pause = 25; ; pause = Math.min(pause * 1.5, 500)) {
      input.signal?.throwIfAborted()
      const running = await findPostmaster(layout)
      if (running?.port !== undefined) {
        const { client, busy } = await tryConnect(input, running.port)
        if (client) {
          await writeFor(input.user, layout.portFile, `${running.port}\n`)
          return { client, pid: running.pid, port: running.port, started: child?.pid === running.pid }
        }
        if (busy) {
          silentSince = undefined
          if (!toldBusy && performance.now() - begun > PATIENT_MS) {
            log.warn(
              { pid: running.pid },
              'waiting for the embedded PostgreSQL: it replays its log after an unclean end',
            )
            toldBusy = true
          }
        }
      } else if (running === undefined && !isRunning(child)) {
        if (child !== undefined) {
          const said = await startLogTail(layout)
          failures += 1
          const predecessor = /shared memory|lock file/i.test(said)
          const patient = predecessor ? performance.now() - begun < PREDECESSOR_MS : failures < MAX_FAILURES
          if (!patient) throw notStarted(layout, said)
        }
        const port = input.pinnedPort ?? (await portFor(layout.pgdata, await recordedPort(layout)))
        child = await spawnServer({ ...input, port })
        silentSince = undefined
      }
      silentSince ??= performance.now()
      if (performance.now() - silentSince > input.hungAfterMs) {
        log.warn({ pid: running?.pid }, 'the embedded PostgreSQL does not answer; it is ended and started anew')
        if (running) await stopServer(running.pid, layout, 1_000)
        else child?.kill('SIGKILL')
        silentSince = undefined
      }
      await delay(pause, undefined, input.signal ? { signal: input.signal } : {})
    }
  } catch (error) {
    // Nobody would stop what we started and then gave up on.
    if (isRunning(child)) child?.kill('SIGINT')
    throw error
  }
}

function isRunning(child: ChildProcess | undefined): boolean {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
}

async function tryConnect(input: AttachInput, port: number): Promise<{ client?: pg.Client; busy: boolean }> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password: input.password,
    database: 'postgres',
    application_name: 'throughline-guard',
    connectionTimeoutMillis: 3_000,
    query_timeout: 30_000,
    keepAlive: true,
    ssl: false,
  })
  // Errors after this attempt belong to the guard, which puts its own listener; without one here, one would be fatal.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ folder: string }>(`select current_setting('data_directory') as folder`)
    if ((await realpath(rows[0]?.folder ?? '')) !== (await realpath(input.layout.pgdata))) {
      throw new Error('another data folder answers on this port')
    }
    return { client, busy: false }
  } catch (error) {
    await client.end().catch(() => undefined)
    const code = (error as { code?: string }).code
    // 57P03: starting up, shutting down or in recovery. 53300: every connection is taken, so it lives.
    if (code === '57P03' || code === '53300') return { busy: true }
    if (code === '28P01') {
      throw new ThroughlineError(
        'TL_STORE_UNAVAILABLE',
        `The embedded PostgreSQL does not accept the password in ${input.layout.passwordFile}. ` +
          `Put the file back, or set the password of role ${SUPERUSER} to what it says.`,
        { cause: error },
      )
    }
    return { busy: false }
  }
}

async function recordedPort(layout: ClusterLayout): Promise<number | undefined> {
  const port = Number(await readFile(layout.portFile, 'utf8').catch(() => ''))
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined
}

function notStarted(layout: ClusterLayout, said: string): ThroughlineError {
  return new ThroughlineError(
    'TL_STORE_UNAVAILABLE',
    `The embedded PostgreSQL in ${layout.pgdata} does not start. It says: ${said || 'nothing'}. ` +
      `More may stand in ${layout.logDir}. Remove the reason and start again, or set DATABASE_URL.`,
    { details: { path: layout.pgdata } },
  )
}
