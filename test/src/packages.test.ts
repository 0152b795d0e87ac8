import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { takes } from './support/node-range.js'
import { repository } from './support/repository.js'
import { repositoryFiles } from './support/source-files.js'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly type?: string
  readonly engines?: { readonly node?: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { version?: string; resolved?: string; link?: boolean; engines?: { node?: string } }>
  >
}

const OLDEST_NODE = '20.19.0'
const SDK = '@throughline/plugin-sdk'

const read = (path: string): string => readFileSync(join(repository, path), 'utf8')
const manifest = (folder: string): Manifest => JSON.parse(read(join(folder, 'package.json'))) as Manifest
const plugins = readdirSync(join(repository, 'plugins')).map((name) => `plugins/${name}`)
const published = ['plugin-sdk', 'core', ...plugins]
const lock = JSON.parse(read('package-lock.json')) as Lock

test(`everything installed runs on Node ${OLDEST_NODE}`, async (t) => {
  for (const folder of ['.', ...published]) t.equal(manifest(folder).engines?.node, '>=20.19', folder)
  const refusing = Object.entries(lock.packages)
    .filter(([path, { engines }]) => path.startsWith('node_modules/') && !takes(engines?.node ?? '*', OLDEST_NODE))
    .map(([path, { version, engines }]) => `${path} ${version} wants ${engines?.node}`)
  t.same(refusing, [])
})

test('the lines that still know Node 20 are pinned: their next ones do not', async (t) => {
  const pins = {
    kysely: '~0.28.',
    'graphile-worker': '~0.17.',
    nock: '~14.',
    typescript: '~5.9.',
    '@nats-io/transport-node': '~3.3.',
  }
  for (const [name, line] of Object.entries(pins)) {
    const ranges = ['.', 'migrations', ...published].flatMap((folder) => rangesOf(manifest(folder), name))
    t.ok(ranges.length > 0, `${name} is used`)
    for (const range of ranges) t.ok(range.startsWith(line), `${name} ${range}`)
    t.match(
      lock.packages[`node_modules/${name}`]?.version,
      new RegExp(`^${line.slice(1).replaceAll('.', '\\.')}`),
      name,
    )
  }
})

test('the SDK has no dependencies of any kind', async (t) => {
  const { dependencies, peerDependencies, optionalDependencies } = manifest('plugin-sdk')
  t.same({ ...dependencies, ...peerDependencies, ...optionalDependencies }, {})
})

test('a plugin has the SDK as its peer and nothing else of ours', async (t) => {
  for (const folder of plugins) {
    const { dependencies = {}, peerDependencies = {}, version } = manifest(folder)
    t.same(Object.keys(peerDependencies), [SDK], folder)
    t.notMatch(peerDependencies[SDK], /[*x]/, 'a wildcard peer would install a copy of its own')
    t.same(
      Object.keys(dependencies).filter((name) => name.startsWith('@throughline/')),
      [],
      folder,
    )
    t.equal(version, manifest('plugin-sdk').version, folder)
  }
})

test('every package says what it is, under which licence, and is a module', async (t) => {
  for (const folder of published) {
    const { license, type } = manifest(folder)
    t.match({ license, type }, { license: 'MIT', type: 'module' }, folder)
  }
  t.match(read('LICENSE'), /^MIT License/)
})

test('every plugin has a page for its user, and a note of what the conformance kit found', async (t) => {
  for (const folder of plugins) {
    t.ok(existsSync(join(repository, folder, 'README.md')), `${folder}/README.md`)
    // The kit knows channels, identity plugins and buses.
    if (!/\/(channel|identity|bus)-/.test(folder)) continue
    const note = join(repository, folder, 'quality.yaml')
    if (!existsSync(note)) t.fail(`${folder}/quality.yaml is missing: run its tests with THROUGHLINE_WRITE_QUALITY=1`)
    else t.match(readFileSync(note, 'utf8'), /^failed: none$/m, `${folder}/quality.yaml`)
  }
})

test('the lock file names no registry', async (t) => {
  const resolved = Object.entries(lock.packages).filter(
    ([, { resolved, link }]) => link !== true && resolved !== undefined,
  )
  t.same(
    resolved.map(([path]) => path),
    [],
  )
  t.notMatch(read('package-lock.json'), /https?:\/\/[^"]*\/-\//)
})

test('no file knows a machine or a registry', async (t) => {
  const here = [repository, homedir()].map((path) => path.replace(/\/+$/, '')).filter((path) => /\/.+\//.test(path))
  const signs = [
    ...here.map((path) => `${path}/`),
    // In two pieces, or this file would find itself.
    ...['/hom' + 'e/runner', '/User' + 's/', 'C:\\\\User' + 's\\\\', 'registry.np' + 'mjs', 'npm.pkg.git' + 'hub'],
  ]
  const files = repositoryFiles().filter((path) =>
    /\.(\w*ts|\w?js|json|ya?ml|md|css|html|hbs|svg)$|^\.|run$/.test(path),
  )
  t.ok(files.length > 100, `${files.length} files are looked at`)
  const found = files.flatMap((path) => {
    const text = read(path)
    return signs.filter((sign) => text.includes(sign)).map((sign) => `${path}: ${sign}`)
  })
  t.same(found, [])
})

test('ranges are read as npm reads them', async (t) => {
  const yes = [
    '>=20',
    '>= 14.x',
    '20 || >=22',
    '^20.19.0 || >=24',
    '>=18.20.0 <20 || >=20.12.1',
    '6.* || >= 10.*',
    '*',
    '~20.19',
  ]
  const no = ['>=22', '>=20.20', '^18 || ^22', '<20', '~20.18.0', '^20.20.0', '18 || 22', 'lts']
  for (const range of yes) t.equal(takes(range, OLDEST_NODE), true, range)
  for (const range of no) t.equal(takes(range, OLDEST_NODE), false, range)
})

function rangesOf(of: Manifest, name: string): readonly string[] {
  const lists = [of.dependencies, of.peerDependencies, of.optionalDependencies, of.devDependencies]
  return lists.flatMap((list) => list?.[name] ?? [])
}
