import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export type Samples = {
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  /** Why there are none: tests say so and pass. */
  readonly missing?: string
}

/**
 * Sample payloads that are kept beside the project and not in it: in the folder named by THROUGHLINE_SHARED, else in
 * `shared` next to the repository. `path` is a folder or one file in it.
 */
export function sharedSamples(...path: readonly string[]): Samples {
  const root = process.env['THROUGHLINE_SHARED'] ?? resolve(repositoryRoot(process.cwd()), '..', 'shared')
  const at = join(root, ...path)
  if (!existsSync(at)) return { files: [], missing: `no samples ${path.join('/')} (set THROUGHLINE_SHARED)` }
  if (/\.\w+$/.test(at)) return { files: [{ name: path.at(-1) ?? '', bytes: readFileSync(at) }] }
  const names = readdirSync(at).filter((name) => /\.(json|eml|txt)$/.test(name))
  return { files: names.sort().map((name) => ({ name, bytes: readFileSync(join(at, name)) })) }
}

/** The nearest folder upwards that is a repository: tests run from the root or from a package. */
function repositoryRoot(from: string): string {
  const parent = resolve(from, '..')
  return existsSync(join(from, '.git')) || parent === from ? from : repositoryRoot(parent)
}
