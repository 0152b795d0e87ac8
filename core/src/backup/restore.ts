import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type pg from 'pg'
import { ThroughlineError } from '../errors.js'
import { knownMigrations, lockMigrations, migrate, migrateInside } from '../store/migrate.js'
import { createPool } from '../store/pool.js'
import type { StoreLog } from '../store/store-log.js'
import { readArchive } from './archive.js'
import { storedFile } from './file-path.js'
import { corrupt, entryKind, type Manifest } from './manifest.js'
import {
  copyIn,
  emptyTables,
  inspectTarget,
  runningEngines,
  setSequences,
  settleRestored,
  wipe,
  type TableCopy,
} from './restore-store.js'
import { verifyBackup } from './verify.js'

export interface RestoreOptions {
  readonly url: string
  /** Folder of the attachments; files that are there already stay. */
  readonly filesDir: string
  readonly file: string
  /** Replaces what the database holds. Without it only an empty one is taken. */
  readonly replace: boolean
  readonly log: StoreLog
}

export interface Restored {
  readonly manifest: Manifest
  readonly epoch: string
  /** Answers that were on their way, now held as `unknown`. */
  readonly held: number
}

/** As long as other nodes wait before they call one dead. */
const SILENT_SECONDS = 30

/**
 * Puts a backup into the database and the folder of files. The archive is verified from end to end first; then everything
 * happens in one transaction under the lock of the migrations (an engine that starts meanwhile waits): wipe, the schema as
 * the backup had it, rows, sequences, a new epoch, a hold on what was on its way to customers. A failure at any point leaves the database as it was. The files go first
 * to their names and harm nobody when the transaction fails: their names are the hashes of their content. Last, the schema
 * is brought up to this release; jobs are not restored, the engine's sweeps find the rows that need work.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const manifest = await verifyBackup(options.file)
  const known = knownMigrations()
  const unknown = manifest.migrations.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new ThroughlineError(
      'TL_BACKUP_NEWER',
      `The backup was made by release ${manifest.release}, whose schema this release does not know ` +
        `(${unknown.join(', ')}). Nothing was changed. Restore it with that release or a newer one.`,
      { details: { unknown, release: manifest.release } },
    )
  }
  const pool = createPool({ url: options.url, log: options.log, size: 1, statementTimeoutMs: 0 })
  const client = await pool.connect()
  let settled: Pick<Restored, 'epoch' | 'held'>
  try {
    await client.query('begin')
    await lockMigrations(client)
    await mayReplace(client, options.replace)
    await wipe(client)
    await migrateInside(client, manifest.migrations)
    await emptyTables(
      client,
      manifest.tables.map((table) => table.name),
    )
    await load(client, manifest, options)
    await setSequences(client, manifest.sequences)
    settled = await settleRestored(client)
    await client.query('commit')
  } finally {
    // An open transaction ends with its connection: nothing of it stays.
    client.release(true)
    await pool.end()
  }
  await migrate({ url: options.url }, options.log)
  return { manifest, ...settled }
}

async function mayReplace(client: pg.PoolClient, replace: boolean): Promise<void> {
  const target = await inspectTarget(client)
  if (target === 'foreign') {
    throw new ThroughlineError(
      'TL_BACKUP_TARGET',
      'The database holds tables of another program. Nothing was changed. Name a database of its own in DATABASE_URL.',
    )
  }
  const engines = await enginesOf(client)
  if (engines.length > 0) {
    throw new ThroughlineError(
      'TL_BACKUP_ENGINE_RUNS',
      `An engine works on this database (${engines.join(', ')}). Nothing was changed. Stop all of them and try again; ` +
        `one that was killed counts as running for ${SILENT_SECONDS} s.`,
      { details: { engines } },
    )
  }
  if (target === 'used' && !replace) {
    throw new ThroughlineError(
      'TL_BACKUP_TARGET',
      'The database holds data already. Nothing was changed. Add --yes to replace all of it with the backup, or name an ' +
        'empty database in DATABASE_URL.',
    )
  }
}

async function enginesOf(client: pg.PoolClient): Promise<readonly string[]> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('public.node') is not null as there`)
  return rows[0]?.there === true ? runningEngines(client, SILENT_SECONDS) : []
}

/** Second pass over the archive: rows into their tables, in the archive's order, and files to their places. */
async function load(client: pg.PoolClient, manifest: Manifest, { file, filesDir }: RestoreOptions): Promise<void> {
  const shapes = new Map(manifest.tables.map((table) => [table.name, table]))
  let current: { readonly name: string; readonly copy: TableCopy } | null = null
  const endCurrent = async (): Promise<void> => {
    if (current === null) return
    const { name, copy } = current
    current = null
    const rows = await copy.end()
    const wanted = shapes.get(name)?.rows
    if (rows !== wanted) throw corrupt(`table ${name} has ${rows} rows instead of ${wanted}`)
  }
  await readArchive(file, async (entryName, bytes) => {
    const entry = entryKind(entryName)
    if (entry.kind !== 'rows') {
      await endCurrent()
      if (entry.kind === 'file') await putFile(storedFile(filesDir, entry.key), entry.key, bytes)
      else for await (const _ of bytes);
      return
    }
    if (current?.name !== entry.table) {
      await endCurrent()
      const shape = shapes.get(entry.table)
      // It changed between the two passes.
      if (shape === undefined) throw corrupt(`its manifest does not know table ${entry.table}`)
      current = { name: entry.table, copy: copyIn(client, shape) }
    }
    for await (const chunk of bytes) await current.copy.write(chunk)
  })
  await endCurrent()
}

/** Beside, synced, renamed: a key always names whole bytes. */
async function putFile(path: string, key: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  if ((await stat(path).catch(() => null)) !== null) {
    for await (const _ of bytes);
    return
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  const beside = `${path}.${randomUUID()}`
  const hash = createHash('sha256')
  try {
    const handle = await open(beside, 'wx', 0o640)
    try {
      for await (const chunk of bytes) {
        hash.update(chunk)
        await handle.writeFile(chunk)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (hash.digest('hex') !== key) throw corrupt(`file ${key} is not what its key says`)
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}
