import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import type { Import, SourceFile } from './source-files.js'

/** Who may import whom. Each rule answers why an import or a file is refused, or null. */
export interface Breach {
  readonly file: string
  readonly line: number
  readonly why: string
}

/** Rooms of core whose nouns are the domain: they meet over contracts and events only. */
const domain = new Set([
  'inbound',
  'outbound',
  'identity',
  'conversations',
  'routing',
  'calendars',
  'sla',
  'events',
  'agents',
  'analytics',
])
/** Machinery with a contract of its own. It is entered the same way, but may use config/ to read settings. */
const machinery = new Set(['plugins', 'jobs'])
/** Single files that everybody in core may use. */
const free = new Set(['errors', 'errors-catalogue', 'clock', 'ids', 'log', 'suggest'])
/** Rooms that speak to the outside: they call services. */
const doors = new Set(['http', 'cli'])
const containers = new Set(['tsyringe', 'reflect-metadata'])

/** What a package's own manifest allows, by folder of the package. */
export type Allowed = ReadonlyMap<string, ReadonlySet<string>>

export function breachesOf(file: SourceFile, allowed: Allowed): readonly Breach[] {
  const breaches: Breach[] = []
  for (const one of file.imports) {
    const why = refusal(file.path, one, allowed)
    if (why !== null) breaches.push({ file: file.path, line: one.line, why: `imports ${one.specifier}: ${why}` })
  }
  if (!maySpeakSql(file.path)) {
    for (const line of file.sqlLines)
      breaches.push({ file: file.path, line, why: 'SQL stands only in store/ and *-store.ts' })
  }
  return breaches
}

function refusal(path: string, one: Import, allowed: Allowed): string | null {
  const home = packageOf(path)
  if (containers.has(one.specifier) && path !== 'core/src/di.ts') return 'only core/src/di.ts knows the container'
  if (!one.specifier.startsWith('.')) return outsideRefusal(path, home, one, allowed)
  const target = posix.join(posix.dirname(path), one.specifier).replace(/\.js$/, '')
  if (packageOf(target) !== home) return 'a package is entered by its name, not by a path'
  if (isTest(path)) return null
  if (isTest(`${target}.ts`)) return 'the product does not import its tests'
  return home === 'core' ? coreRefusal(path, target, one) : null
}

function outsideRefusal(path: string, home: string, one: Import, allowed: Allowed): string | null {
  const { specifier } = one
  if (specifier.startsWith('node:')) return null
  if (builtinModules.includes(specifier)) return `write node:${specifier}`
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  if (isTest(path)) return null
  if (home === 'plugin-sdk') return 'the SDK has no dependencies, only node: builtins'
  if (home === 'migrations' && name !== 'kysely') return 'a migration outlives the code: kysely only'
  if (allowed.get(home)?.has(name) !== true) return `${home}/package.json does not declare ${name}`
  return null
}

function coreRefusal(path: string, target: string, one: Import): string | null {
  const from = roomOf(path)
  const to = roomOf(target)
  if (target === 'core/src/kernel') return path === 'core/src/main.ts' ? null : 'nobody but main.ts imports the kernel'
  // The composition root may stand in several files; its parts are for itself alone.
  if (/^core\/src\/kernel-[a-z-]+$/.test(target))
    return path === 'core/src/kernel.ts' ? null : 'nobody but kernel.ts imports a part of the kernel'
  if (/^core\/src\/kernel(-[a-z-]+)?\.ts$/.test(path) || path === 'core/src/main.ts' || from === to) return null
  if (target === 'core/src/main')
    return path === 'core/src/cli/engine-entry.ts' ? null : 'only the command line starts main.ts'
  if (free.has(to) || to === 'store') return doorsRefusal(from, target, one)
  if (to === 'config') return domain.has(from) && !one.typeOnly ? 'the domain takes only types from config/' : null
  if (doors.has(to)) return 'nobody calls a door'
  if (doors.has(from)) return doorsRefusal(from, target, one)
  if (!domain.has(to) && !machinery.has(to)) return `${to} is private to the composition root`
  if (!target.endsWith('/contract')) return `only the types of ${to}/contract.ts are for other folders`
  return one.typeOnly ? null : `only types are for other folders: import type`
}

/** The doors call services and never see a row. `cli/with-store.ts` opens the store for a command and closes it again. */
function doorsRefusal(from: string, target: string, one: Import): string | null {
  if (!doors.has(from) || one.typeOnly) return null
  return target.endsWith('-store') || target === 'core/src/store/tables'
    ? `${from}/ calls services, never tables`
    : null
}

function maySpeakSql(path: string): boolean {
  if (isTest(path) || path.startsWith('migrations/')) return true
  return path.startsWith('core/src/store/') || /-store\.ts$/.test(path)
}

export function packageOf(path: string): string {
  const [first = '', second = ''] = path.split('/')
  if (first === 'plugins') return `plugins/${second}`
  return first === 'examples' ? path.split('/').slice(0, 3).join('/') : first
}

/** Tests, and the conformance kit that runs inside them, may use what the root installs for tests. */
export function isTest(path: string): boolean {
  return path.startsWith('test/') || /^[^/]+(\/[^/]+)?\/test\//.test(path)
}

/** `core/src/<room>/…`; for a file of core/src itself, its name. */
export function roomOf(path: string): string {
  return path.replace(/^core\/src\//, '').replace(/[/.].*$/, '')
}

/** Rings of imports: the files of each in order. With `types`, also those the compiler erases. */
export function rings(files: readonly SourceFile[], types: boolean): readonly (readonly string[])[] {
  const edges = new Map(files.map((file) => [file.path, targetsOf(file, types)]))
  const found: string[][] = []
  const done = new Set<string>()
  const walk = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path)
    if (at >= 0) return void found.push(way.slice(at))
    if (done.has(path)) return
    for (const next of edges.get(path) ?? []) walk(next, [...way, path])
    done.add(path)
  }
  for (const path of edges.keys()) walk(path, [])
  return found
}

function targetsOf(file: SourceFile, types: boolean): readonly string[] {
  return file.imports
    .filter((one) => one.specifier.startsWith('.') && (types || !one.typeOnly))
    .map((one) => posix.join(posix.dirname(file.path), one.specifier).replace(/\.js$/, '.ts'))
}
