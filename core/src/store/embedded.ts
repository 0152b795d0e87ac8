import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { attach, type AttachInput, type Attachment } from './embedded-attach.js'
import { locateBinaries } from './embedded-binaries.js'
import { clusterLayout, ensureCluster, ensureDataFolder } from './embedded-cluster.js'
import { stopServer } from './embedded-process.js'
import { chooseServerUser } from './embedded-user.js'
import type { StoreLog } from './store-log.js'

/** A running embedded PostgreSQL as one engine sees it. */
export interface EmbeddedServer {
  /** Holds the password: never log it. */
  readonly url: string
  readonly port: number
  /** Process id of the server, which changes when it had to be restarted. */
  pid(): number
  /** True when the server ran already: another engine's, or left behind by a killed one. */
  readonly joined: boolean
  /** Leaves; the last engine to leave stops the server. Resolves when that is done. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  readonly dataDir: string
  readonly log: StoreLog
  readonly signal?: AbortSignal | undefined
  /** Further server settings, stronger than postgresql.conf. Tests turn fsync off with it. */
  readonly settings?: Readonly<Record<string, string>>
  /** Milliseconds of silence after which a server counts as hung and is ended; 30,000 when left out. */
  readonly hungAfterMs?: number
}

const DATABASE = 'throughline'
/** The engine's role owns its database and nothing else: an injected statement reads no file and runs no program. */
const ROLE = 'throughline'
/** Advisory lock in the `postgres` database; shared = "I use this server", exclusive = "nobody else does". */
const USERS_LOCK = '7310582249134501'
/** Advisory lock in the same database, held while role and database are made. */
const SETUP_LOCK = '7310582249134503'

/**
 * Starts the embedded PostgreSQL of a data folder, or joins the one that runs there. Every engine keeps one guard
 * connection that holds a shared lock: it dies with the engine, so the count of users is always true, also after
 * kill -9. Whoever leaves last stops the server. When the server dies, every engine's guard notices and starts it
 * again on the same port; PostgreSQL's lock file lets one of them win.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const layout = clusterLayout(options.dataDir)
  const { log } = options
  const binaries = await locateBinaries()
  await ensureDataFolder(layout)
  const user = await chooseServerUser({ clusterDir: layout.cluster, paths: [layout.cluster, binaries.postgres], log })
  const { password } = await ensureCluster({ layout, binaries, user, signal: options.signal })
  const input: AttachInput = {
    layout,
    binaries,
    user,
    password,
    settings: options.settings ?? {},
    log,
    signal: options.signal,
    hungAfterMs: options.hungAfterMs ?? 30_000,
  }

  const first = await join(input)
  const guard = createGuard(input, first)
  // The server speaks no TLS; saying so keeps a PGSSLMODE in the environment from getting in the way.
  const url = `postgres://${ROLE}:${rolePassword(password)}@127.0.0.1:${first.port}/${DATABASE}?sslmode=disable`
  log.info(
    { port: first.port, pid: first.pid, dataDir: layout.dataDir, joined: !first.started },
    first.started ? 'embedded PostgreSQL started' : 'joined the embedded PostgreSQL that runs on this data folder',
  )
  return { url, port: first.port, pid: guard.pid, joined: !first.started, stop: guard.stop }
}

/** Attaches, makes the database, and counts us among the users. A server that goes down meanwhile is tried again. */
async function join(input: AttachInput): Promise<Attachment> {
  for (let attempt = 1; ; attempt++) {
    const attachment = await attach(input)
    try {
      await attachment.client.query('set statement_timeout = 0')
      await attachment.client.query(`select pg_advisory_lock_shared(${USERS_LOCK})`)
      await prepareDatabase(attachment.client, input.password)
      return attachment
    } catch (error) {
      await attachment.client.end().catch(() => undefined)
      // The engine that owned the server stopped it between our connect and our lock.
      if (attempt < 5) continue
      if (attachment.started) await stopServer(attachment.pid, input.layout)
      throw error
    }
  }
}

/** One secret file serves both roles: the engine's password follows from the superuser's, never the other way round. */
function rolePassword(password: string): string {
  return createHmac('sha256', password).update(ROLE).digest('base64url')
}

/** Makes the engine's role and database unless they are there. Serialised, since engines may start at once. */
async function prepareDatabase(client: pg.Client, password: string): Promise<void> {
  await client.query(`select pg_advisory_lock(${SETUP_LOCK})`)
  try {
    const { rows } = await client.query<{ role: boolean; database: boolean }>(
      `select exists (select from pg_roles where rolname = $1) as role,
              exists (select from pg_database where datname = $2) as database`,
      [ROLE, DATABASE],
    )
    if (!rows[0]?.role) await client.query(`create role ${ROLE}`)
    // Always set: the password file may have been renewed. createdb serves restores and tests.
    await client.query(`alter role ${ROLE} login createdb password ${client.escapeLiteral(rolePassword(password))}`)
    if (!rows[0]?.database) await client.query(`create database ${DATABASE} owner ${ROLE}`)
  } finally {
    await client.query(`select pg_advisory_unlock(${SETUP_LOCK})`)
  }
}

/** Keeps the guard connection; brings the server back when it is lost; leaves on stop. */
function createGuard(input: AttachInput, first: Attachment) {
  const { log, layout } = input
  const stopping = new AbortController()
  let current = first
  let revival: Promise<void> | undefined

  const watch = (attachment: Attachment): void => {
    attachment.client.once('end', () => {
      if (stopping.signal.aborted) return
      log.warn({ pid: attachment.pid }, 'lost the embedded PostgreSQL; bringing it back')
      revival = revive()
    })
  }
  const revive = async (): Promise<void> => {
    for (let pause = 100; !stopping.signal.aborted; pause = Math.min(pause * 2, 10_000)) {
      try {
        current = await join({ ...input, signal: stopping.signal, pinnedPort: first.port })
        watch(current)
        log.info(
          { pid: current.pid, port: current.port, restarted: current.started },
          'the embedded PostgreSQL is back',
        )
        return
      } catch (error) {
        if (stopping.signal.aborted) return
        log.error({ err: error, retryInMs: pause }, 'the embedded PostgreSQL does not come back')
        await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined)
      }
    }
  }
  const leave = async (): Promise<void> => {
    stopping.abort()
    await revival
    const { client, pid } = current
    // Everybody gives up their share before they ask to be alone, so of any number that leave at once one is last.
    const last = await client
      .query(`select pg_advisory_unlock_shared(${USERS_LOCK})`)
      .then(() => isAlone(client))
      .catch(() => false)
    if (last) {
      const gone = await stopServer(pid, layout)
      if (gone) log.info({ pid }, 'embedded PostgreSQL stopped')
      else log.error({ pid }, 'the embedded PostgreSQL does not stop')
    } else {
      log.info({ pid }, 'embedded PostgreSQL left running: another engine uses it')
    }
    await client.end().catch(() => undefined)
  }
  let left: Promise<void> | undefined
  watch(first)
  return { pid: () => current.pid, stop: () => (left ??= leave()) }
}

/**
 * Asked a few times: the share of an engine that was just killed is only given back when the server has noticed, which on a
 * busy machine takes a moment. Without the patience such a server would be left running.
 */
async function isAlone(client: pg.Client): Promise<boolean> {
  for (let tries = 0; tries < 5; tries++) {
    const { rows } = await client.query<{ alone: boolean }>(`select pg_try_advisory_lock(${USERS_LOCK}) as alone`)
    if (rows[0]?.alone === true) return true
    await delay(100)
  }
  return false
}
