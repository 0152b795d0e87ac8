import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder of the shared payload collection, or null where it is not there. */
export function sharedFixtures(folder: string): string | null {
  const repository = fileURLToPath(new URL('../../../../../', import.meta.url))
  const root = process.env['THROUGHLINE_SHARED'] ?? resolve(repository, '../shared')
  const path = join(root, 'fixtures', folder)
  return existsSync(path) ? path : null
}
