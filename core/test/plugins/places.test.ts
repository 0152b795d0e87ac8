import { test } from 'tap'
import { createGuard } from '../../src/plugins/guard.js'
import { createPlaces } from '../../src/plugins/places.js'
import { withDatabase } from '../support/database.js'
import { channel, testHost } from './support.js'

test('an operation has so many places, says so once, and once more when half of them are free again', (t) => {
  const said: string[] = []
  const places = createPlaces({
    instance: 'x',
    limitOf: (operation) => (operation === 'send' ? 4 : 1),
    onBusy: (operation, error) => said.push(`${operation} ${error?.code ?? 'free'}`),
  })
  const held = Array.from({ length: 4 }, () => {
    places.admit('send')
    return places.enter('send')
  })
  for (let i = 0; i < 3; i++) t.throws(() => places.admit('send'), { code: 'TL_PLUGIN_BUSY', details: { calls: 4 } })
  t.doesNotThrow(() => places.admit('typing'), 'others go on')
  t.strictSame(said, ['send TL_PLUGIN_BUSY'])
  held[0]!.leave()
  held[0]!.leave()
  t.equal(places.inHand, 3)
  t.doesNotThrow(() => places.admit('send'))
  t.equal(said.length, 1)
  held[1]!.leave()
  t.strictSame(said, ['send TL_PLUGIN_BUSY', 'send free'])
  t.end()
})

test('an abandoned call keeps its place until it ends, or for a while', async (t) => {
  const places = createPlaces({ instance: 'x', limitOf: () => 2, onBusy: () => undefined, abandonedMs: 20 })
  const [lost, late] = [places.enter('send'), places.enter('send')]
  late.abandon()
  late.leave()
  t.equal(places.inHand, 1)
  lost.abandon()
  t.equal(places.inHand, 1)
  while (places.inHand > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  lost.leave()
  t.equal(places.inHand, 0)
})

test('a plugin that hangs holds a hundred calls of an operation, also when nobody waits for them any more', async (t) => {
  const guard = createGuard({
    instance: 'x',
    signal: new AbortController().signal,
    now: () => 0,
    onBreaker: () => undefined,
  })
  let calls = 0
  let end = (): void => undefined
  const hanging = new Promise<void>((resolve) => (end = resolve))
  const hang = (timeoutMs: number) => () =>
    guard.call('endpoint x', timeoutMs, () => {
      calls += 1
      return hanging
    })
  await Promise.all(Array.from({ length: 1_000 }, () => t.rejects(hang(5)(), { code: 'TL_PLUGIN_TIMEOUT' })))
  await t.rejects(hang(5)(), { code: 'TL_PLUGIN_BUSY' })
  t.equal(calls, 1_000, 'the plugin is not called')
  t.equal(guard.inHand, 1_000)
  const typing = Array.from({ length: 101 }, () => guard.call('typing', 60_000, () => hanging))
  await t.rejects(typing[100]!, { code: 'TL_PLUGIN_BUSY' })
  end()
  await Promise.all(typing.slice(0, 100))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(guard.inHand, 0)
  await guard.call('endpoint x', 1_000, () => Promise.resolve())
})

test('an instance whose calls hang is shown as degraded with its calls, and as running when they end', async (t) => {
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, { channels: [channel('ok', './good.mjs')] })
  await host.start()
  const ok = host.channel('ok')!
  let end = (): void => undefined
  const hanging = new Promise<void>((resolve) => (end = resolve))
  const calls = Array.from({ length: 101 }, () => ok.call('send', 60_000, () => hanging))
  await t.rejects(calls[100]!, { code: 'TL_PLUGIN_BUSY', message: /ok has 100 calls of send in hand/ })
  t.match(ok.status(), { state: 'degraded', code: 'TL_PLUGIN_BUSY', calls: 100, userAction: /waits for/ })
  end()
  await Promise.all(calls.slice(0, 100))
  await new Promise((resolve) => setImmediate(resolve))
  t.match(ok.status(), { state: 'running', calls: 0 })
})
