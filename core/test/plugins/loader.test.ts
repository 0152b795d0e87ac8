import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { resolveUse } from '../../src/plugins/loader.js'
import { resolveFolder, resolvePackage } from '../../src/plugins/package-resolver.js'

async function tree(t: { teardown(fn: () => Promise<void>): void }, files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'throughline-loader-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(dir, name, '..'), { recursive: true })
    await writeFile(join(dir, name), text)
  }
  return dir
}

test('packages are found from the folder upwards, by main, exports, conditions and patterns', async (t) => {
  const dir = await tree(t, {
    'node_modules/plain/package.json': '{"main":"lib/a.js"}',
    'node_modules/plain/lib/a.js': '',
    'node_modules/@acme/x/package.json':
      '{"exports":{".":{"require":"./no.cjs","import":"./dist/i.js"},"./surface":"./dist/s.js","./p/*":{"default":"./dist/p-*.js"}}}',
    'node_modules/@acme/x/dist/i.js': '',
    'node_modules/@acme/x/dist/s.js': '',
    'node_modules/@acme/x/dist/p-one.js': '',
    'node_modules/sugar/package.json': '{"exports":"./only.js"}',
    'node_modules/sugar/only.js': '',
    'node_modules/evil/package.json': '{"exports":{".":"../../outside.js"}}',
    'outside.js': '',
    'deep/down/here.txt': '',
  })
  const from = join(dir, 'deep', 'down')
  t.match(resolvePackage('plain', from), /plain\/lib\/a\.js$/)
  t.match(resolvePackage('@acme/x', from), /dist\/i\.js$/)
  t.match(resolvePackage('@acme/x/surface', from), /dist\/s\.js$/)
  t.match(resolvePackage('@acme/x/p/one', from), /dist\/p-one\.js$/)
  t.match(resolvePackage('sugar', from), /only\.js$/)
  t.equal(resolvePackage('@acme/x/dist/i.js', from), null, 'what is not exported is not there')
  t.equal(resolvePackage('evil', from), null, 'an entry outside its package is no entry')
  t.equal(resolvePackage('absent', from), null)
})

test('a path may name a file or a folder with an entry', async (t) => {
  const dir = await tree(t, {
    'p/index.ts': '',
    'q/package.json': '{"main":"m.js"}',
    'q/m.js': '',
    'r/readme': '',
    'one.mjs': '',
  })
  t.match(resolveUse('./p', dir), /p\/index\.ts$/)
  t.match(resolveUse('./q', dir), /q\/m\.js$/)
  t.match(resolveUse('./one.mjs', dir), /one\.mjs$/)
  t.throws(() => resolveUse('./r', dir), { code: 'TL_PLUGIN_NOT_FOUND' })
  t.equal(resolveFolder(join(dir, 'r')), null)
})

test('a built-in name means the package of that name in our scope', (t) => {
  t.match(resolveUse('channel-http', tmpdir()), /plugins\/channel-http\/dist\/src\/index\.js$/)
  t.match(resolveUse('@throughline/channel-http', tmpdir()), /plugins\/channel-http\/dist\/src\/index\.js$/)
  t.throws(() => resolveUse('channel-htp', tmpdir()), { code: 'TL_PLUGIN_NOT_FOUND', message: /npm i channel-htp/ })
  t.end()
})
