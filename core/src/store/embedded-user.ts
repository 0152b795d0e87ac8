import { execFile, type SpawnOptions } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ThroughlineError } from '../errors.js'
import type { StoreLog } from './store-log.js'

const run = promisify(execFile)

/** How the server's programs are started: as ourselves, or, since PostgreSQL refuses root, as somebody else. */
export interface ServerUser {
  /** Owner of the cluster's files; undefined = the user we are. */
  readonly ids: { uid: number; gid: number } | undefined
  /** Turns a program and its arguments into what to spawn. */
  launch(file: string, args: readonly string[]): { file: string; args: string[]; options: SpawnOptions }
}

/**
 * Chooses the user. Not root: ourselves. Root: the owner of an existing cluster (also when the password file of a new
 * container does not know them), else the system user `postgres`, created when the system lets us, else `nobody`.
 */
export async function chooseServerUser(input: {
  clusterDir: string
  paths: readonly string[]
  log: StoreLog
}): Promise<ServerUser> {
  if (process.getuid?.() !== 0)
    return { ids: undefined, launch: (file, args) => ({ file, args: [...args], options: {} }) }
  const ids = (await ownerOf(join(input.clusterDir, 'pgdata'))) ?? (await systemUser(input.log))
  const closed = await firstClosed(input.paths, ids)
  if (closed === undefined) return { ids, launch: (file, args) => ({ file, args: [...args], options: ids }) }

  // A folder on the way is root's alone (say /root). Opening it to the world would outlive us; instead the server
  // keeps the one capability that lets it pass, and loses all others.
  const capability = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']
  const prefix = [`--reuid=${ids.uid}`, `--regid=${ids.gid}`, '--clear-groups', ...capability, '--']
  try {
    await run('setpriv', [...prefix, 'ls', closed], { timeout: 10_000 })
  } catch (cause) {
    throw new ThroughlineError(
      'TL_STORE_UNAVAILABLE',
      `The embedded PostgreSQL cannot run as root, and user ${ids.uid} may not enter ${closed}. Run the engine as an ` +
        `ordinary user, or let others pass (chmod o+x ${closed}), or install util-linux (setpriv), or set DATABASE_URL.`,
      { cause, details: { path: closed, uid: ids.uid } },
    )
  }
  input.log.warn(
    { path: closed, uid: ids.uid },
    'only root may enter a folder on the way to the embedded PostgreSQL: its server runs with the capability to pass it',
  )
  return { ids, launch: (file, args) => ({ file: 'setpriv', args: [...prefix, file, ...args], options: {} }) }
}

async function ownerOf(path: string): Promise<{ uid: number; gid: number } | undefined> {
  const info = await stat(path).catch(() => undefined)
  return info === undefined || info.uid === 0 ? undefined : { uid: info.uid, gid: info.gid }
}

async function systemUser(log: StoreLog): Promise<{ uid: number; gid: number }> {
  const known = await lookUp('postgres')
  if (known) return known
  // initdb insists on a user that the system knows by name, so a bare number would not do.
  for (const [file, args] of [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']],
    ['adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', 'postgres']],
  ] as const) {
    await run(file, args, { timeout: 10_000 }).catch(() => undefined)
    const created = await lookUp('postgres')
    if (created) {
      log.info({ uid: created.uid }, 'created the system user postgres for the embedded PostgreSQL')
      return created
    }
  }
  const nobody = await lookUp('nobody')
  if (nobody) {
    log.warn({ uid: nobody.uid }, 'the embedded PostgreSQL runs as nobody: no user postgres, and none could be created')
    return nobody
  }
  throw new ThroughlineError(
    'TL_STORE_UNAVAILABLE',
    'The embedded PostgreSQL cannot run as root, and there is neither a user postgres nor nobody to run it as. ' +
      'Run the engine as an ordinary user, create a user named postgres, or set DATABASE_URL.',
  )
}

async function lookUp(name: string): Promise<{ uid: number; gid: number } | undefined> {
  try {
    const [uid, gid] = await Promise.all([
      run('id', ['-u', name], { timeout: 10_000 }),
      run('id', ['-g', name], { timeout: 10_000 }),
    ])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return undefined
  }
}

/** The first folder on the way to one of the paths (the nearest existing parents count) that the user may not enter. */
async function firstClosed(paths: readonly string[], ids: { uid: number; gid: number }): Promise<string | undefined> {
  for (const path of paths) {
    for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
      const info = await stat(folder).catch(() => undefined)
      if (info) {
        const mode = info.uid === ids.uid ? info.mode >> 6 : info.gid === ids.gid ? info.mode >> 3 : info.mode
        if ((mode & 1) === 0) return folder
      }
      if (folder === dirname(folder)) break
    }
  }
  return undefined
}
