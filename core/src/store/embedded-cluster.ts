import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ThroughlineError } from '../errors.js'
import type { Binaries } from './embedded-binaries.js'
import type { ServerUser } from './embedded-user.js'

const run = promisify(execFile)

/** The major version of the binaries; a cluster of another one cannot be opened by them. */
const MAJOR = '18'
/** Role of the guard connection alone; the engine's own role may do much less. */
export const SUPERUSER = 'postgres'

/** Where things lie under the data folder. The cluster folder appears whole or not at all. */
export interface ClusterLayout {
  readonly dataDir: string
  readonly cluster: string
  readonly pgdata: string
  readonly passwordFile: string
  readonly portFile: string
  readonly logDir: string
  readonly startLog: string
}

export function clusterLayout(dataDir: string): ClusterLayout {
  const root = resolve(dataDir)
  const cluster = join(root, 'cluster')
  return Object.freeze({
    dataDir: root,
    cluster,
    pgdata: join(cluster, 'pgdata'),
    passwordFile: join(cluster, 'password'),
    portFile: join(cluster, 'port'),
    logDir: join(cluster, 'log'),
    startLog: join(cluster, 'start.log'),
  })
}

/** Defaults for a small machine; they land in postgresql.conf, where the operator may change them. */
const SETTINGS = Object.freeze({
  shared_buffers: '128MB',
  synchronous_commit: 'on',
  wal_compression: 'on',
  max_wal_size: '2GB',
  max_connections: '100',
  checkpoint_timeout: '15min',
  // Tables that are queues are worth a look more often than once a minute (migration 0015 says what for).
  autovacuum_naptime: '20s',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
})

/** Makes the data folder; private, but not the folders above it, which others may have to pass. */
export async function ensureDataFolder(layout: ClusterLayout): Promise<void> {
  try {
    await mkdir(dirname(layout.dataDir), { recursive: true })
    await mkdir(layout.dataDir, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new ThroughlineError(
      'TL_STORE_UNAVAILABLE',
      `The folder ${layout.dataDir} for the embedded PostgreSQL cannot be made: ${(cause as Error).message}. ` +
        'Let this user write there, choose another data folder, or set DATABASE_URL.',
      { cause, details: { path: layout.dataDir } },
    )
  }
}

/**
 * Makes the cluster unless it is there. initdb runs in a folder of its own that is renamed into place at the end: a
 * kill in the middle leaves no half-made cluster, and of two engines that start at once the second finds the first's.
 */
export async function ensureCluster(input: {
  layout: ClusterLayout
  binaries: Binaries
  user: ServerUser
  signal?: AbortSignal | undefined
}): Promise<{ password: string }> {
  const { layout, binaries, user } = input
  const found = await clusterVersion(layout)
  if (found === undefined) {
    await sweepAbandoned(layout)
    const draft = join(layout.dataDir, `init-${randomUUID()}`)
    try {
      await mkdir(join(draft, 'log'), { recursive: true, mode: 0o700 })
      await writeFile(join(draft, 'password'), randomBytes(24).toString('base64url') + '\n', { mode: 0o600 })
      if (user.ids) {
        const { uid, gid } = user.ids
        for (const path of [layout.dataDir, draft, join(draft, 'log'), join(draft, 'password')])
          await chown(path, uid, gid)
      }
      await initialise({ draft, binaries, user, signal: input.signal })
      await rename(draft, layout.cluster)
    } catch (error) {
      await rm(draft, { recursive: true, force: true })
      // Another engine was quicker: its cluster is as good as ours.
      if ((await clusterVersion(layout)) === undefined) throw error
    }
  } else if (found !== MAJOR) {
    throw new ThroughlineError(
      'TL_STORE_UNAVAILABLE',
      `The data in ${layout.pgdata} was written by PostgreSQL ${found}; this release runs PostgreSQL ${MAJOR}. ` +
        'Start the release that wrote it, take a dump, and load the dump into a new data folder.',
      { details: { path: layout.pgdata, found, expected: MAJOR } },
    )
  }
  return { password: (await readOwn(layout.passwordFile)).trim() }
}

/** Writes a private file that belongs to the server's user, so that engines of root and of that user can take turns. */
export async function writeFor(user: ServerUser, path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
  if (user.ids) await chown(path, user.ids.uid, user.ids.gid)
}

async function clusterVersion(layout: ClusterLayout): Promise<string | undefined> {
  try {
    return (await readFile(join(layout.pgdata, 'PG_VERSION'), 'utf8')).trim()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw notOurs(layout.pgdata, cause)
  }
}

async function readOwn(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw notOurs(path, cause)
  }
}

function notOurs(path: string, cause: unknown): ThroughlineError {
  return new ThroughlineError(
    'TL_STORE_UNAVAILABLE',
    `The embedded PostgreSQL's data at ${path} cannot be read by this user. Run the engine as the user who ran it ` +
      'first (or as root), or give the data folder to this user with chown -R.',
    { cause, details: { path } },
  )
}

async function initialise(input: {
  draft: string
  binaries: Binaries
  user: ServerUser
  signal?: AbortSignal | undefined
}): Promise<void> {
  const { file, args, options } = input.user.launch(input.binaries.initdb, [
    `--pgdata=${join(input.draft, 'pgdata')}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${join(input.draft, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Order and case rules that come with the server, so that an update of the machine's libc never breaks an index.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...Object.entries(SETTINGS).map(([name, value]) => `--set=${name}=${value}`),
  ])
  try {
    await run(file, args, {
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      cwd: input.draft,
      timeout: 180_000,
      ...(input.signal ? { signal: input.signal } : {}),
      env: { ...process.env, LC_ALL: 'C' },
    })
  } catch (cause) {
    input.signal?.throwIfAborted()
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n').slice(-5).join('\n') ?? ''
    throw new ThroughlineError(
      'TL_STORE_UNAVAILABLE',
      `The embedded PostgreSQL could not make its data folder ${input.draft}: ${said || String(cause)}. ` +
        'Check the folder and the free space, or set DATABASE_URL.',
      { cause },
    )
  }
  await chmod(join(input.draft, 'password'), 0o600)
}

/** Removes what a killed initialisation left behind; an hour is far longer than one takes. */
async function sweepAbandoned(layout: ClusterLayout): Promise<void> {
  for (const name of await readdir(layout.dataDir)) {
    if (!name.startsWith('init-')) continue
    const path = join(layout.dataDir, name)
    const info = await stat(path).catch(() => undefined)
    if (info && Date.now() - info.mtimeMs > 3_600_000) await rm(path, { recursive: true, force: true })
  }
}
