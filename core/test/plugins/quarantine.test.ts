import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'tap'
import { BEATS, createCallMark, PLACE } from '../../src/plugins/call-mark.js'
import { createGuard } from '../../src/plugins/guard.js'
import { keepPluginsFromEnding } from '../../src/plugins/no-exit.js'
import { attributed } from '../../src/plugins/attribution.js'
import { createQuarantine } from '../../src/plugins/quarantine.js'
import { liveStrikes, releaseInstance } from '../../src/plugins/quarantine-store.js'
import { confirm, suspect, takeBack } from '../../src/plugins/strike-store.js'
import { withDatabase } from '../support/database.js'
import { channel, fixtures, recordingLog, testHost } from './support.js'

const strike = (instance: string) => ({ id: randomUUID(), instance, operation: 'parse', host: 'here' })

test('an instance with a strike is not started, says what to do, and runs again once it is released', async (t) => {
  const store = await withDatabase(t)
  const one = strike('bad')
  await suspect(store.pool, one)
  await confirm(store.pool, one.id)
  const { host } = await testHost(t, store, {
    channels: [channel('bad', join(fixtures, 'good.mjs')), channel('well', join(fixtures, 'good.mjs'))],
  })
  await host.start()
  const state = (id: string) => host.statuses().find((status) => status.id === id)
  t.match(state('bad'), {
    state: 'quarantined',
    code: 'TL_PLUGIN_BLOCKED',
    userAction: /throughline plugin release bad/,
  })
  t.equal(host.channel('bad')?.live, null)
  t.equal(state('well')?.state, 'running')
  t.equal(await releaseInstance(store.db, 'bad'), 1)
  while (state('bad')?.state !== 'running') await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(await releaseInstance(store.db, 'bad'), 0, 'nothing to release any more')
})

test('a running instance is taken down when another node records a strike', async (t) => {
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, { channels: [channel('bad', join(fixtures, 'good.mjs'))] })
  await host.start()
  t.not(host.channel('bad')?.live, null)
  const one = strike('bad')
  await suspect(store.pool, one)
  await confirm(store.pool, one.id)
  while (host.statuses()[0]?.state !== 'quarantined') await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(host.channel('bad')?.live, null)
})

test('a suspicion counts when its process neither took it back nor confirmed it', async (t) => {
  const store = await withDatabase(t)
  const one = strike('slow')
  await suspect(store.pool, one)
  t.same(await liveStrikes(store.db), [], 'the call may still return')
  await takeBack(store.pool, one.id)
  await suspect(store.pool, one)
  await store.pool.query(`update plugin_quarantine set struck_at = struck_at - interval '21 s'`)
  t.same(await liveStrikes(store.db), [one], 'whoever wrote it is gone')
  const confined: unknown[] = []
  const { log } = recordingLog()
  const instances = [{ id: 'slow', confine: (trouble: unknown) => confined.push(trouble) }]
  const quarantine = createQuarantine({ db: store.db, log, instances })
  await quarantine.start()
  await quarantine.stop()
  t.match(confined, [{ state: 'quarantined' }])
})

test('the mark names the place while plugin code runs, and not while its promise is waited for', async (t) => {
  const cells = new Int32Array(2)
  const places: string[] = []
  const mark = createCallMark(cells, (place, instance, operation) => (places[place] = `${instance} ${operation}`))
  const guard = createGuard({
    instance: 'sms',
    signal: new AbortController().signal,
    now: () => 0,
    onBreaker: () => undefined,
    mark,
  })
  const seen = (): string | undefined => places[cells[PLACE] ?? 0]
  t.equal(await guard.call('verify', 1_000, () => seen()), 'sms verify')
  let go: (() => void) | undefined
  const sending = guard.call('send', 1_000, async (_signal) => {
    const during = seen()
    await new Promise<void>((resolve) => (go = resolve))
    return during
  })
  t.equal(seen(), undefined, 'somebody else may run now')
  go?.()
  t.equal(await sending, 'sms send')
  await t.rejects(
    guard.call('parse', 1_000, () => {
      throw new Error('bad body')
    }),
  )
  t.equal(seen(), undefined, 'also after a throw')
  t.equal(cells[BEATS], 0)
})

test('plugin code cannot end the process; the engine can', (t) => {
  const undo = keepPluginsFromEnding()
  t.teardown(undo)
  const within = (run: () => void) => () =>
    attributed({ instance: 'sms', signal: new AbortController().signal }, () => run())
  t.throws(
    within(() => process.exit(1)),
    { code: 'bug', message: /sms called process\.exit/ },
  )
  t.throws(
    within(() => process.abort()),
    { code: 'bug' },
  )
  t.throws(
    within(() => process.kill(process.pid, 'SIGKILL')),
    { code: 'bug' },
  )
  t.ok(process.kill(process.pid, 0))
  t.end()
})
