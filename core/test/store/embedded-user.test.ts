import { spawnSync } from 'node:child_process'
import { chown, lstat, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { restoreSymlinks } from '../../src/store/embedded-binaries.js'
import { clusterLayout } from '../../src/store/embedded-cluster.js'
import { silentLog } from '../support/cluster.js'
import { query, start, startEngine, temporaryFolder } from './embedded-support.js'

const root = process.getuid?.() === 0
const onlyRoot = root ? {} : { skip: 'only root can become another user' }
const NOBODY = 65534
/** Another user has to get at Node and at these files; below somebody's private folder neither can be run. */
const reachable =
  root &&
  spawnSync(process.execPath, ['-e', `require('fs').accessSync(${JSON.stringify(fileURLToPath(import.meta.url))})`], {
    uid: NOBODY,
    gid: NOBODY,
  }).status === 0
const asOther = !root
  ? onlyRoot
  : reachable
    ? {}
    : { skip: `another user cannot reach ${process.execPath} or this folder; run it where others may enter` }

test('run as root, the server belongs to an ordinary user', onlyRoot, async (t) => {
  const dataDir = await temporaryFolder(t)
  await start(t, dataDir)
  t.not((await stat(clusterLayout(dataDir).pgdata)).uid, 0)
})

test('run as root in a folder that only root may enter, it works and says how', onlyRoot, async (t) => {
  const dataDir = join(await temporaryFolder(t, 0o700), 'data', 'postgres')
  const warnings: unknown[] = []
  const server = await start(t, dataDir, { log: { ...silentLog, warn: (fields) => void warnings.push(fields) } })
  t.strictSame(await query(server.url, 'select 1 as n'), [{ n: 1 }])
  t.match(warnings, [{ path: String }])
})

test('run as an ordinary user, the server is that user’s', asOther, async (t) => {
  const dataDir = await temporaryFolder(t)
  await chown(dataDir, NOBODY, NOBODY)
  const engine = await startEngine(t, dataDir, { uid: NOBODY, gid: NOBODY })
  t.strictSame(await query(engine.url, 'select 1 as n'), [{ n: 1 }])
  t.equal((await stat(clusterLayout(dataDir).pgdata)).uid, NOBODY)
})

test('root and the owner take turns on one data folder', asOther, async (t) => {
  const dataDir = await temporaryFolder(t)
  await chown(dataDir, NOBODY, NOBODY)
  const engine = await startEngine(t, dataDir, { uid: NOBODY, gid: NOBODY })
  await query(engine.url, 'create table kept (n int)')
  const joined = await start(t, dataDir)
  t.ok(joined.joined, 'root joins the server of the other user')
  await joined.stop()
  engine.process.kill('SIGTERM')
  await new Promise((resolve) => engine.process.once('exit', resolve))
  const asRoot = await start(t, dataDir)
  t.strictSame(await query(asRoot.url, 'select count(*)::int as n from kept'), [{ n: 0 }])
  await asRoot.stop()
  const again = await startEngine(t, dataDir, { uid: NOBODY, gid: NOBODY })
  t.strictSame(await query(again.url, 'select count(*)::int as n from kept'), [{ n: 0 }])
})

test('links that an install without scripts left out are restored, and existing ones are left alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-links-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const native = join(folder, 'native')
  await mkdir(join(native, 'lib'), { recursive: true })
  await writeFile(join(native, 'lib', 'libx.so.1.2'), '')
  await writeFile(
    join(native, 'pg-symlinks.json'),
    JSON.stringify([{ source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' }]),
  )
  await restoreSymlinks(native)
  await restoreSymlinks(native)
  t.strictSame((await readdir(join(native, 'lib'))).sort(), ['libx.so.1', 'libx.so.1.2'])
  t.ok((await lstat(join(native, 'lib', 'libx.so.1'))).isSymbolicLink())
  t.ok((await stat(join(native, 'lib', 'libx.so.1'))).isFile())
})
