import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createPool } from '../store/pool.js'
import type { StoreLog } from '../store/store-log.js'
import { writeArchive } from './archive.js'
import { storedFile } from './file-path.js'
import { FORMAT, MANIFEST, chunkName, fileName, type Manifest, type TableNote } from './manifest.js'
import { beginSnapshot, copyOut, fileKeys, readSequences } from './snapshot-store.js'

export interface BackupOptions {
  readonly url: string
  /** Folder of the attachments. */
  readonly filesDir: string
  /** The archive to write; must not exist. */
  readonly file: string
  readonly release: string
  readonly log: StoreLog
}

const KEYS_A_TURN = 1_000

/**
 * Writes everything the installation knows into one .tar.gz: each table as COPY text, all of one moment, then the stored
 * files that this moment names, last the manifest with counts and checksums. Engines may go on working meanwhile. Jobs are
 * left out: they are hints, and the sweeps find the rows they pointed at.
 */
export async function createBackup(options: BackupOptions): Promise<Manifest> {
  // A pool of its own: no limit on how long a statement may take.
  const pool = createPool({ url: options.url, log: options.log, size: 1, statementTimeoutMs: 0 })
  const client = await pool.connect()
  try {
    let manifest: Manifest | undefined
    await writeArchive(options.file, async (archive) => {
      const snapshot = await beginSnapshot(client)
      const tables: TableNote[] = []
      for (const table of snapshot.tables) {
        let number = 0
        tables.push(await copyOut(client, table, (bytes) => archive.add(chunkName(table.name, (number += 1)), bytes)))
      }
      let count = 0
      let bytes = 0
      const missing: string[] = []
      for (let after = ''; ;) {
        const keys = await fileKeys(client, after, KEYS_A_TURN)
        for (const key of keys) {
          const path = storedFile(options.filesDir, key)
          const found = await stat(path).catch(() => null)
          if (found === null) {
            missing.push(key)
            continue
          }
          await archive.addStream(fileName(key), found.size, createReadStream(path))
          count += 1
          bytes += found.size
        }
        if (keys.length < KEYS_A_TURN) break
        after = keys.at(-1) ?? ''
      }
      const { at, epoch, migrations } = snapshot
      manifest = {
        format: FORMAT,
        product: 'throughline',
        release: options.release,
        at,
        epoch,
        migrations,
        tables,
        sequences: await readSequences(client),
        files: { count, bytes, missing },
      }
      await archive.add(MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`))
    })
    if (manifest === undefined) throw new Error('the archive was written without a manifest')
    return manifest
  } finally {
    client.release(true)
    await pool.end()
  }
}
