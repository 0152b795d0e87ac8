import { createHash, type Hash } from 'node:crypto'
import { readArchive } from './archive.js'
import { corrupt, entryKind, parseManifest, type Manifest } from './manifest.js'

const MANIFEST_BYTES = 64 * 1024 * 1024

/** Reads an archive from end to end and compares everything with its manifest. Throws TL_BACKUP_CORRUPT; changes nothing. */
export async function verifyBackup(file: string): Promise<Manifest> {
  const tables = new Map<string, Hash>()
  let files = 0
  let manifest: Manifest | undefined
  await readArchive(file, async (name, bytes) => {
    if (manifest !== undefined) throw corrupt('something follows its manifest')
    const entry = entryKind(name)
    if (entry.kind === 'rows') {
      const hash = tables.get(entry.table) ?? createHash('sha256')
      tables.set(entry.table, hash)
      for await (const chunk of bytes) hash.update(chunk)
    } else if (entry.kind === 'file') {
      const hash = createHash('sha256')
      for await (const chunk of bytes) hash.update(chunk)
      if (hash.digest('hex') !== entry.key) throw corrupt(`file ${entry.key} is not what its key says`)
      files += 1
    } else {
      manifest = parseManifest(await textOf(bytes))
    }
  })
  if (manifest === undefined) throw corrupt('its end is missing')
  for (const table of manifest.tables) {
    const found = (tables.get(table.name) ?? createHash('sha256')).digest('hex')
    if (found !== table.sha256) throw corrupt(`the rows of table ${table.name} do not have the checksum they should`)
    tables.delete(table.name)
  }
  if (tables.size > 0) throw corrupt(`its manifest does not know table ${[...tables.keys()].join(', ')}`)
  if (files !== manifest.files.count) throw corrupt(`it holds ${files} files instead of ${manifest.files.count}`)
  return manifest
}

async function textOf(bytes: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of bytes) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size > MANIFEST_BYTES) throw corrupt('its manifest is too large')
  }
  return Buffer.concat(chunks).toString('utf8')
}
