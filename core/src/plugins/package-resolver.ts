import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

/**
 * Finds the file of a package as `import` would, seen from a given folder: walks up the node_modules folders and follows
 * `exports` with the conditions node, import and default. (createRequire would refuse packages that only export `import`.)
 */
export function resolvePackage(specifier: string, fromDir: string): string | null {
  const [, name, subpath] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier) ?? []
  if (name === undefined) return null
  for (let dir = fromDir; ; dir = dirname(dir)) {
    const folder = join(dir, 'node_modules', ...name.split('/'))
    if (existsSync(join(folder, 'package.json'))) return resolveFolder(folder, `.${subpath ?? ''}`)
    if (dirname(dir) === dir) return null
  }
}

/** The entry file of a package folder, or of a plain folder with an index file. null: it has none. */
export function resolveFolder(folder: string, subpath = '.'): string | null {
  const manifest = readManifest(folder)
  const target = targetOf(manifest, subpath)
  const candidates = target === null ? [] : [target]
  if (subpath === '.' && manifest['exports'] === undefined) {
    candidates.push('index.js', 'index.mjs', 'index.ts', 'index.mts')
  }
  for (const candidate of candidates) {
    const file = join(folder, candidate)
    if (existsSync(file) && statSync(file).isFile() && file.startsWith(folder + sep)) return realpathSync(file)
  }
  return null
}

function readManifest(folder: string): Record<string, unknown> {
  const file = join(folder, 'package.json')
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {}
}

function targetOf(manifest: Record<string, unknown>, subpath: string): string | null {
  const { exports, main } = manifest
  if (exports === undefined) {
    if (subpath !== '.') return subpath
    return typeof main === 'string' ? main : null
  }
  const map = isObject(exports) && Object.keys(exports).some((key) => key.startsWith('.')) ? exports : { '.': exports }
  if (subpath in map) return condition(map[subpath])
  for (const [pattern, target] of Object.entries(map)) {
    const [before, after] = pattern.split('*')
    if (before === undefined || after === undefined) continue
    if (!subpath.startsWith(before) || !subpath.endsWith(after) || subpath.length < before.length + after.length)
      continue
    const middle = subpath.slice(before.length, subpath.length - after.length)
    return condition(target)?.replaceAll('*', middle) ?? null
  }
  return null
}

function condition(target: unknown): string | null {
  if (typeof target === 'string') return target
  if (!isObject(target)) return null
  for (const [name, value] of Object.entries(target)) {
    if (name !== 'node' && name !== 'import' && name !== 'module-sync' && name !== 'default') continue
    const found = condition(value)
    if (found !== null) return found
  }
  return null
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
