import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { breachesOf, packageOf, rings, type Allowed } from './support/layering-rules.js'
import { repository } from './support/repository.js'
import { parseSource, readSource, repositoryFiles } from './support/source-files.js'

const MOST_LINES = 420
const MANY_LINES = 300

const files = repositoryFiles().filter((path) => /\.[cm]?ts$/.test(path) && !path.endsWith('.d.ts'))
const sources = files.map(readSource)
const product = sources.filter(({ path }) => /^(plugin-sdk|migrations|core|plugins)\//.test(path))
const allowed = manifests()

test('nobody imports whom they may not', async (t) => {
  const breaches = sources.flatMap((source) => breachesOf(source, allowed))
  t.same(
    breaches.map(({ file, line, why }) => `${file}:${line} ${why}`),
    [],
  )
})

test('no file imports itself by a detour', async (t) => {
  const shown = (found: ReturnType<typeof rings>): string[] => found.map((ring) => ring.join(' > '))
  t.same(shown(rings(product, false)), [])
  // Two interfaces of one package may name each other: nothing of that is left at run time.
  const erased = shown(rings(product, true))
  for (const ring of erased) t.comment(`types only: ${ring}`)
  t.same(
    erased.filter((ring) => new Set(ring.split(' > ').map(packageOf)).size > 1),
    [],
  )
})

test('folders are nouns of the domain, and files are named in kebab-case', async (t) => {
  const folders = files.filter((path) => /(^|\/)(utils?|common|helpers?|misc|shared|lib)\//.test(path))
  t.same(folders, [], 'no folder for whatever does not fit')
  const names = files.filter((path) => !/^(\d{4}_)?[a-z\d]+(-[a-z\d]+)*(\.test|\.test-d)?\.[cm]?ts$/.test(base(path)))
  t.same(names, [])
  const indexes = product.map(({ path }) => path).filter((path) => base(path) === 'index.ts')
  t.same(
    indexes.filter((path) => !/^([^/]+|plugins\/[^/]+)\/(src|testing)\/index\.ts$/.test(path)),
    [],
  )
})

test(`no file of the product is longer than ${MOST_LINES} lines`, async (t) => {
  const long = product.filter(({ path, lines }) => lines > MANY_LINES && !path.startsWith('migrations/'))
  for (const { path, lines } of long) t.comment(`${lines} lines, look hard: ${path}`)
  t.same(
    long.filter(({ path, lines }) => lines > MOST_LINES && !path.includes('/test/')).map(({ path }) => path),
    [],
  )
})

test('the rules find what they are there for', async (t) => {
  const refused = (path: string, text: string): boolean => breachesOf(parseSource(path, text), allowed).length > 0
  const cases: readonly (readonly [path: string, text: string, refused: boolean])[] = [
    ['core/src/inbound/x.ts', `import { y } from '../outbound/contract.js'`, true],
    ['core/src/inbound/x.ts', `import type { Y } from '../outbound/contract.js'`, false],
    ['core/src/inbound/x.ts', `import { type Y } from '../outbound/contract.js'`, false],
    ['core/src/inbound/x.ts', `import type { Y } from '../outbound/plan.js'`, true],
    ['core/src/inbound/x.ts', `type Y = import('../outbound/plan.js').Y`, true],
    ['core/src/inbound/x.ts', `const y = await import('../outbound/plan.js')`, true],
    ['core/src/inbound/x.ts', `export * from '../outbound/plan.js'`, true],
    ['core/src/inbound/x.ts', `import { y } from '../config/load.js'`, true],
    ['core/src/inbound/x.ts', `import { ThroughlineError } from '../errors.js'`, false],
    ['core/src/inbound/x.ts', `import { y } from '../http/server.js'`, true],
    ['core/src/http/x.ts', `import { y } from '../inbound/receive.js'`, false],
    ['core/src/http/x.ts', `import { y } from '../inbound/inbox-store.js'`, true],
    ['core/src/http/x.ts', `import { startKernel } from '../kernel.js'`, true],
    ['core/src/http/x.ts', `import { composeDrain } from '../kernel-drain.js'`, true],
    ['core/src/main.ts', `import { composeDrain } from './kernel-drain.js'`, true],
    ['core/src/kernel.ts', `import { composeDrain } from './kernel-drain.js'`, false],
    ['core/src/kernel-drain.ts', `import { Drain } from './inbound/drain.js'`, false],
    ['core/src/http/x.ts', `import { container } from 'tsyringe'`, true],
    ['core/src/http/x.ts', `import { y } from 'left-pad'`, true],
    ['core/src/http/x.ts', `import { readFile } from 'fs'`, true],
    ['core/src/routing/x.ts', 'const y = sql`select 1`', true],
    ['core/src/routing/x.ts', `db.selectFrom('agent')`, true],
    ['core/src/routing/x-store.ts', `db.selectFrom('agent')`, false],
    ['plugin-sdk/src/x.ts', `import { y } from 'undici'`, true],
    ['plugin-sdk/src/x.ts', `import { createHmac } from 'node:crypto'`, false],
    ['plugins/channel-http/src/x.ts', `import { y } from '@throughline/core'`, true],
    ['plugins/channel-http/src/x.ts', `import { y } from '../../../core/src/ids.js'`, true],
    ['plugins/channel-http/src/x.ts', `import { y } from '../../channel-email/src/index.js'`, true],
    ['plugins/channel-http/src/x.ts', `import { y } from '@throughline/plugin-sdk'`, false],
    ['migrations/src/x.ts', `import type { Tables } from '@throughline/core'`, true],
  ]
  for (const [path, text, expected] of cases) t.equal(refused(path, text), expected, `${path}: ${text}`)
  const ring = ['b', 'c', 'a'].map((next, i) => parseSource(`core/src/inbound/${'abc'[i]}.ts`, `import './${next}.js'`))
  t.equal(rings(ring, false).length, 1, 'a ring of three')
  const half = [...ring.slice(0, 2), parseSource('core/src/inbound/c.ts', `import type { A } from './a.js'`)]
  t.equal(rings(half, false).length, 0, 'a ring that is not there at run time')
  t.equal(rings(half, true).length, 1, 'and is there for the compiler')
})

/** What each package may import besides itself: what it declares. Declared optional counts. */
function manifests(): Allowed {
  const homes = [...new Set(files.map(packageOf))]
  return new Map(
    homes.map((home) => {
      const manifest = JSON.parse(readFileSync(join(repository, home, 'package.json'), 'utf8')) as Record<
        string,
        object
      >
      const lists = ['dependencies', 'peerDependencies', 'optionalDependencies'].map((kind) => manifest[kind] ?? {})
      return [home, new Set(lists.flatMap((list) => Object.keys(list)))]
    }),
  )
}

function base(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
