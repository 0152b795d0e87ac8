import { once } from 'node:events'
import { test } from 'tap'
import { isAlive } from '../../src/store/embedded-process.js'
import { eventually, gone, query, start, startEngine, temporaryFolder } from './embedded-support.js'

test('a killed server comes back on its port with everything committed', async (t) => {
  const server = await start(t, await temporaryFolder(t))
  await query(server.url, 'create table kept (n int)')
  await query(server.url, 'insert into kept values (1)')
  const pid = server.pid()
  process.kill(pid, 'SIGKILL')
  const rows = await eventually(() => query(server.url, 'select n from kept'))
  t.strictSame(rows, [{ n: 1 }])
  await eventually(async () => {
    if (server.pid() === pid) throw new Error('not noticed yet')
  })
  await server.stop()
  t.notOk(isAlive(server.pid()))
})

test('a server killed again and again comes back each time', async (t) => {
  const server = await start(t, await temporaryFolder(t))
  for (let round = 0; round < 3; round++) {
    const pid = server.pid()
    process.kill(pid, 'SIGKILL')
    await eventually(async () => {
      if (server.pid() === pid) throw new Error('not back yet')
    })
    t.strictSame(await eventually(() => query(server.url, 'select 1 as n')), [{ n: 1 }])
  }
})

test('of two engines on one server both find it again after it was killed', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  const engine = await startEngine(t, dataDir)
  t.ok(engine.joined)
  const pid = first.pid()
  process.kill(pid, 'SIGKILL')
  await eventually(async () => {
    if (first.pid() === pid) throw new Error('not back yet')
  })
  await eventually(async () => {
    const [row] = await query(
      first.url,
      `select count(distinct pid)::int as n from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted`,
    )
    if (row?.['n'] !== 2) throw new Error('not both are back')
  })
  await first.stop()
  t.ok(isAlive(first.pid()), 'the other engine still uses it')
  engine.process.kill('SIGTERM')
  await once(engine.process, 'exit')
  await gone(first.pid())
  t.pass('the last one stopped it')
})

test('the server of a killed engine is adopted by the next one, which stops it at its end', async (t) => {
  const dataDir = await temporaryFolder(t)
  const engine = await startEngine(t, dataDir)
  await query(engine.url, 'create table kept (n int)')
  await query(engine.url, 'insert into kept values (2)')
  engine.process.kill('SIGKILL')
  await once(engine.process, 'exit')
  t.ok(isAlive(engine.pid), 'the server outlives its engine')
  const next = await start(t, dataDir)
  t.ok(next.joined)
  t.equal(next.pid(), engine.pid)
  t.equal(next.url, engine.url)
  t.strictSame(await query(next.url, 'select n from kept'), [{ n: 2 }])
  await next.stop()
  await gone(engine.pid)
})

test('engine and server killed together: the next engine finds what was committed', async (t) => {
  const dataDir = await temporaryFolder(t)
  const engine = await startEngine(t, dataDir)
  await query(engine.url, 'create table kept (n int)')
  await query(engine.url, 'insert into kept values (3)')
  engine.process.kill('SIGKILL')
  process.kill(engine.pid, 'SIGKILL')
  await once(engine.process, 'exit')
  const next = await start(t, dataDir)
  t.notOk(next.joined)
  t.strictSame(await query(next.url, 'select n from kept'), [{ n: 3 }])
})

test('a hung server is ended and started anew', async (t) => {
  const dataDir = await temporaryFolder(t)
  const engine = await startEngine(t, dataDir)
  engine.process.kill('SIGKILL')
  await once(engine.process, 'exit')
  process.kill(engine.pid, 'SIGSTOP')
  const next = await start(t, dataDir, { hungAfterMs: 500 })
  t.not(next.pid(), engine.pid)
  t.strictSame(await query(next.url, 'select 1 as n'), [{ n: 1 }])
})

test('an engine that stops while its server is being restarted ends cleanly', async (t) => {
  const server = await start(t, await temporaryFolder(t))
  process.kill(server.pid(), 'SIGKILL')
  await server.stop()
  t.pass('stopped')
})
