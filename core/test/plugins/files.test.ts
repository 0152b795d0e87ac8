import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import type { FileRow } from '../../src/plugins/file-store.js'
import { createFiles } from '../../src/plugins/files.js'

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

async function setUp(t: { teardown(fn: () => Promise<void>): void }) {
  const dir = await mkdtemp(join(tmpdir(), 'throughline-files-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const rows = new Map<string, FileRow>()
  const time = { now: 1_700_000_000_000 }
  const files = createFiles({
    rows: {
      add: async (row) => void (rows.has(row.key) || rows.set(row.key, row)),
      get: async (key) => rows.get(key) ?? null,
    },
    dir: join(dir, 'files'),
    maxBytes: 1_000_000,
    rootKey: Buffer.alloc(32, 7),
    publicUrl: 'https://desk.example',
    clock: { now: () => time.now },
  })
  return { dir, files, rows, time }
}

const partsOf = (link: string) => {
  const url = new URL(link)
  const query = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
  return { key: url.pathname.split('/').at(-1) ?? '', exp: query('exp'), sig: query('sig'), name: query('name') }
}

test('the same bytes twice are one file, and its key is their hash', async (t) => {
  const { files, rows, dir } = await setUp(t)
  const [first, second] = await Promise.all([files.put(png, { name: 'a.png' }), files.put(png, { name: 'b.png' })])
  t.equal(first.key, createHash('sha256').update(png).digest('hex'))
  t.equal(second.key, first.key)
  t.equal(first.mime, 'image/png')
  t.equal(rows.size, 1)
  t.same(await files.get(first.key), png)
  const left = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((it) => it.isFile())
  t.equal(left.length, 1, 'no half-written file stays behind')
})

test('the bytes say what a file is; a claim counts only for harmless text', async (t) => {
  const { files } = await setUp(t)
  const mimeOf = async (bytes: string | Buffer, mime: string) => (await files.put(Buffer.from(bytes), { mime })).mime
  t.equal(await mimeOf(png, 'text/html'), 'image/png')
  t.equal(await mimeOf('<script>alert(1)</script>', 'text/html'), 'application/octet-stream')
  t.equal(
    await mimeOf('<svg xmlns="http://www.w3.org/2000/svg" onload="x"/>', 'image/svg+xml; x'),
    'application/octet-stream',
  )
  t.equal(await mimeOf('a,b\n1,2', 'text/csv; charset=utf-8'), 'text/csv')
  t.equal(await mimeOf('not really', 'image/png'), 'application/octet-stream')
})

test('no key leads out of the folder', async (t) => {
  const { files, dir } = await setUp(t)
  await writeFile(join(dir, 'secret'), 'secret')
  const keys = [
    '../secret',
    '..%2fsecret',
    '/etc/passwd',
    '',
    '.',
    'a'.repeat(63),
    'A'.repeat(64),
    `../${'a'.repeat(61)}`,
    `${'a'.repeat(64)}\0`,
    `${'a'.repeat(64)}\n`,
  ]
  for (const key of keys) {
    t.equal(await files.get(key), null, JSON.stringify(key))
    t.equal(await files.path(key), null)
    t.equal(await files.info(key), null)
    t.throws(() => files.url(key), { code: 'permanent' })
    t.equal(files.verifyLink({ key, exp: '9999999999', sig: 'x'.repeat(43) }), false)
  }
  t.equal(await files.get('a'.repeat(64)), null, 'an unknown key is simply absent')
})

test('a link works until its time is over and not when any part of it was changed', async (t) => {
  const { files, time } = await setUp(t)
  const { key } = await files.put(png)
  const parts = partsOf(files.url(key, { ttlMs: 60_000, name: '../../Rechnung März.pdf' }))
  t.equal(parts.name, 'Rechnung März.pdf')
  t.equal(files.verifyLink(parts), true)
  t.equal(files.verifyLink({ ...parts, name: 'other.exe' }), false)
  t.equal(files.verifyLink({ ...parts, name: undefined }), false)
  t.equal(files.verifyLink({ ...parts, exp: String(Number(parts.exp) + 1) }), false)
  t.equal(files.verifyLink({ ...parts, key: key.replace(/^./, (c) => (c === '0' ? '1' : '0')) }), false)
  t.equal(files.verifyLink({ ...parts, sig: undefined }), false)
  t.equal(files.verifyLink({ ...parts, exp: '1e99' }), false)
  time.now += 60_000
  t.equal(files.verifyLink(parts), false)
})

test('names of links never hold folders, control or direction characters', async (t) => {
  const { files } = await setUp(t)
  const { key } = await files.put(png)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const parts = partsOf(files.url(key, { name }))
      // eslint-disable-next-line no-control-regex
      return files.verifyLink(parts) && !/[/\\\u0000-\u001f\u202e"]|^\./.test(parts.name ?? '')
    }),
  )
})

test('a file over the limit is refused', async (t) => {
  const { files } = await setUp(t)
  await t.rejects(files.put(Buffer.alloc(1_000_001)), { code: 'permanent' })
})
