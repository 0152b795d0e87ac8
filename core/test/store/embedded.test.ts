import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { startEmbedded } from '../../src/store/embedded.js'
import { clusterLayout } from '../../src/store/embedded-cluster.js'
import { portFor } from '../../src/store/embedded-port.js'
import { findPostmaster, isAlive } from '../../src/store/embedded-process.js'
import { silentLog } from '../support/cluster.js'
import { eventually, gone, query, start, temporaryFolder } from './embedded-support.js'

test('a new data folder becomes a server on loopback only, whose password is private', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data', 'postgres')
  const server = await start(t, dataDir)
  t.notOk(server.joined)
  const [row] = await query(
    server.url,
    `select current_setting('listen_addresses') as addresses, current_setting('jit') as jit,
            current_setting('synchronous_commit') as durable, current_database() as name`,
  )
  t.strictSame(row, { addresses: '127.0.0.1', jit: 'off', durable: 'on', name: 'throughline' })
  const layout = clusterLayout(dataDir)
  const lock = await readFile(join(layout.pgdata, 'postmaster.pid'), 'utf8')
  t.equal(lock.split('\n')[4], '', 'no Unix socket')
  t.equal((await stat(layout.passwordFile)).mode & 0o777, 0o600)
  const wrong = new URL(server.url)
  wrong.password = 'guess'
  await t.rejects(query(wrong.href, 'select 1'), { code: '28P01' })
})

test('data, password and port outlive a stop and a start', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  await query(first.url, 'create table kept (n int)')
  await query(first.url, 'insert into kept values (7)')
  const pid = first.pid()
  await first.stop()
  t.notOk(isAlive(pid))
  const second = await start(t, dataDir)
  t.notOk(second.joined)
  t.equal(second.url, first.url)
  t.strictSame(await query(second.url, 'select n from kept'), [{ n: 7 }])
})

test('engines that start at once on an empty folder share one server, and the last to leave stops it', async (t) => {
  const dataDir = await temporaryFolder(t)
  const servers = await Promise.all([1, 2, 3].map(() => start(t, dataDir)))
  const pid = servers[0]?.pid() ?? 0
  t.equal(new Set(servers.map((server) => server.url)).size, 1)
  t.equal(new Set(servers.map((server) => server.pid())).size, 1)
  t.equal(servers.filter((server) => !server.joined).length, 1)
  t.strictSame(
    (await readdir(dataDir)).filter((name) => name.startsWith('init-')),
    [],
  )
  for (const server of servers) {
    t.strictSame(await query(server.url, 'select 1 as n'), [{ n: 1 }])
    await server.stop()
  }
  t.notOk(isAlive(pid))
})

test('engines that leave at the same moment leave no server behind', async (t) => {
  const dataDir = await temporaryFolder(t)
  const servers = [await start(t, dataDir), await start(t, dataDir)]
  const pid = servers[0]?.pid() ?? 0
  await Promise.all(servers.map((server) => server.stop()))
  t.notOk(isAlive(pid))
})

test('the port is none that the system hands out, so that nobody takes it by accident while the server is down', async (t) => {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '32768 60999')
  const [lowest = 0, highest = 0] = range.split(/\s+/).map(Number)
  const folder = await temporaryFolder(t)
  const port = await portFor(folder, undefined)
  if (lowest > 20_100) t.ok(port < lowest || port > highest, `${port} is not of ${lowest} to ${highest}`)
  t.equal(await portFor(folder, undefined), port, 'the same folder, the same port')
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve))
  t.teardown(() => squatter.close())
  const next = await portFor(folder, undefined)
  t.not(next, port)
  t.equal(await portFor(folder, next), next, 'what it had is kept')
  t.equal(await portFor(folder, port), next, 'unless it is taken')
})

test('a port that another program has taken meanwhile is given up for a free one', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  await first.stop()
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(first.port, '127.0.0.1', resolve))
  t.teardown(() => squatter.close())
  const second = await start(t, dataDir)
  t.not(second.port, first.port)
  t.strictSame(await query(second.url, 'select 1 as n'), [{ n: 1 }])
})

test('a lock file that names a process of somebody else does not keep the server from starting', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  const layout = clusterLayout(dataDir)
  const lock = await readFile(join(layout.pgdata, 'postmaster.pid'), 'utf8')
  await first.stop()
  await writeFile(join(layout.pgdata, 'postmaster.pid'), lock.replace(/^\d+/, String(process.pid)))
  const second = await start(t, dataDir)
  t.notOk(second.joined)
  t.strictSame(await query(second.url, 'select 1 as n'), [{ n: 1 }])
})

test('an initialisation that was killed leaves nothing in the way and is swept up later', async (t) => {
  const dataDir = await temporaryFolder(t)
  const old = join(dataDir, 'init-old')
  const young = join(dataDir, 'init-young')
  await mkdir(join(old, 'pgdata'), { recursive: true })
  await mkdir(join(young, 'pgdata'), { recursive: true })
  const before = new Date(Date.now() - 2 * 3_600_000)
  await utimes(old, before, before)
  const server = await start(t, dataDir)
  t.strictSame(await query(server.url, 'select 1 as n'), [{ n: 1 }])
  t.strictSame((await readdir(dataDir)).sort(), ['cluster', 'init-young'])
})

test('data of another major version is refused with the way out', async (t) => {
  const dataDir = await temporaryFolder(t)
  const layout = clusterLayout(dataDir)
  await mkdir(layout.pgdata, { recursive: true })
  await writeFile(join(layout.pgdata, 'PG_VERSION'), '17\n')
  await t.rejects(startEmbedded({ dataDir, log: silentLog }), {
    code: 'TL_STORE_UNAVAILABLE',
    message: /written by PostgreSQL 17.*take a dump/,
  })
})

test('a server that cannot start says why', async (t) => {
  const dataDir = await temporaryFolder(t)
  await t.rejects(startEmbedded({ dataDir, log: silentLog, settings: { shared_buffers: 'nonsense' } }), {
    code: 'TL_STORE_UNAVAILABLE',
    message: /does not start\. It says: .*invalid value for parameter "shared_buffers": "nonsense"/s,
  })
})

test('starting ends when the engine is told to stop, and leaves no server behind', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  await first.stop()
  const abort = new AbortController()
  const starting = startEmbedded({ dataDir, log: silentLog, signal: abort.signal })
  const layout = clusterLayout(dataDir)
  const pid = await eventually(async () => {
    const found = await findPostmaster(layout)
    if (!found) throw new Error('not started yet')
    abort.abort()
    return found.pid
  })
  // The server may have been ready before the signal came; then the start succeeded and is undone as usual.
  const outcome = await starting.catch((error: unknown) => error as Error)
  if ('stop' in outcome) await outcome.stop()
  else t.equal(outcome.name, 'AbortError')
  await gone(pid)
})

test('the engine’s role owns its database and is no superuser', async (t) => {
  const server = await start(t, await temporaryFolder(t))
  const [row] = await query(
    server.url,
    `select current_user as me, rolsuper as super, pg_get_userbyid(datdba) as owner
       from pg_roles, pg_database where rolname = current_user and datname = current_database()`,
  )
  t.strictSame(row, { me: 'throughline', super: false, owner: 'throughline' })
  await t.rejects(query(server.url, `copy (select 1) to program 'true'`), { code: '42501' })
})

test('the server’s log holds no statements and no values', async (t) => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, dataDir)
  await query(server.url, 'create table people (email text primary key)')
  await query(server.url, `insert into people values ('secret@example.com')`)
  await t.rejects(query(server.url, `insert into people values ('secret@example.com')`), { code: '23505' })
  await t.rejects(query(server.url, `select 'secret'::int`))
  await server.stop()
  const { logDir } = clusterLayout(dataDir)
  const logs = await Promise.all((await readdir(logDir)).map((name) => readFile(join(logDir, name), 'utf8')))
  t.match(logs.join(''), /database system is shut down/)
  t.notMatch(logs.join(''), /secret/)
})
