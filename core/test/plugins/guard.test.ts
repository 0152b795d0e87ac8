import { PluginError } from '@throughline/plugin-sdk'
import { test } from 'tap'
import { currentAttribution } from '../../src/plugins/attribution.js'
import { createBreaker } from '../../src/plugins/breaker.js'
import { createGuard } from '../../src/plugins/guard.js'
import { leftAt } from '../support/left-at-signal.js'

function setUp() {
  const time = { now: 0 }
  const changes: string[] = []
  const abort = new AbortController()
  const guard = createGuard({
    instance: 'x',
    signal: abort.signal,
    now: () => time.now,
    onBreaker: (operation, open) => void changes.push(`${operation} ${open ? 'open' : 'closed'}`),
  })
  return { time, changes, abort, guard }
}

test('a call that takes too long is given up, its signal aborted, and it counts as a failure', async (t) => {
  const { guard } = setUp()
  let aborted = false
  const call = guard.call('send', 20, (signal) => {
    signal.addEventListener('abort', () => (aborted = true))
    return new Promise(() => undefined)
  })
  await t.rejects(call, { code: 'TL_PLUGIN_TIMEOUT' })
  t.ok(aborted)
})

test('what is called knows on whose account it runs, across timers', async (t) => {
  const { guard } = setUp()
  const name = await guard.call('send', 1000, async () => {
    await new Promise((resolve) => setTimeout(resolve, 1))
    return currentAttribution()?.instance
  })
  t.equal(name, 'x')
  t.equal(currentAttribution(), undefined)
})

test('synchronous throws become rejections', async (t) => {
  const { guard } = setUp()
  await t.rejects(guard.call('send', 100, () => { throw new Error('sync') }), { message: 'sync' }) // prettier-ignore
})

test('five failures within a minute open the breaker of that operation, a good probe closes it', async (t) => {
  const { guard, time, changes } = setUp()
  const fail = () => guard.call('send', 100, () => Promise.reject(new Error('no')))
  for (let i = 0; i < 5; i++) await t.rejects(fail(), { message: 'no' })
  t.same(changes, ['send open'])
  await t.rejects(fail(), { code: 'TL_CHANNEL_UNAVAILABLE' }, 'no call gets through')
  t.equal(await guard.call('edit', 100, () => 'fine'), 'fine', 'other operations go on')
  time.now += 10_001
  await t.rejects(fail(), { message: 'no' }, 'one probe')
  time.now += 10_001
  await t.rejects(fail(), { code: 'TL_CHANNEL_UNAVAILABLE' }, 'the pause doubled')
  time.now += 10_001
  t.equal(await guard.call('send', 100, () => 'back'), 'back')
  t.same(changes, ['send open', 'send closed'])
})

test('failures that are about one recipient or one payload open nothing', async (t) => {
  const { guard, changes } = setUp()
  for (let i = 0; i < 20; i++) {
    await t.rejects(
      guard.call('send', 100, () => Promise.reject(new PluginError('recipient', 'blocked'))),
      { code: 'recipient' },
    )
    await t.rejects(guard.call('parse', 100, () => { throw new SyntaxError('junk') }), { name: 'SyntaxError' }) // prettier-ignore
    await t.rejects(guard.call('endpoint messages', 100, () => Promise.reject(new Error('junk'))))
  }
  t.same(changes, [])
})

test('four failures a minute apart open nothing', (t) => {
  let now = 0
  const breaker = createBreaker(() => now)
  for (let i = 0; i < 20; i++) {
    breaker.failed('call')
    now += 15_001
  }
  t.equal(breaker.open, false)
  t.end()
})

test('while a probe is out nobody else gets through', (t) => {
  let now = 0
  const breaker = createBreaker(() => now)
  for (let i = 0; i < 5; i++) breaker.failed('call')
  now += 10_000
  t.equal(breaker.admit(), 'probe')
  t.equal(breaker.admit(), null)
  t.end()
})

test('calls that were under way when the breaker opened do not make its pause longer; a failed probe does', (t) => {
  let now = 0
  const breaker = createBreaker(() => now)
  for (let i = 0; i < 50; i++) breaker.failed('call')
  t.equal(breaker.admit(), null)
  now += 10_000
  t.equal(breaker.admit(), 'probe', 'ten seconds after the fifth failure')
  breaker.failed('probe')
  now += 19_999
  t.equal(breaker.admit(), null)
  now += 1
  t.equal(breaker.admit(), 'probe')
  breaker.succeeded()
  t.equal(breaker.admit(), 'call')
  t.end()
})

test('a network that stood still for a moment gets calls again ten seconds later, however many hung', async (t) => {
  const { guard, time, changes } = setUp()
  const hung = Array.from({ length: 8 }, () => guard.call('send', 5, () => new Promise(() => undefined)))
  await Promise.allSettled(hung)
  await t.rejects(guard.call('send', 100, () => 'too early'), { code: 'TL_CHANNEL_UNAVAILABLE' }) // prettier-ignore
  time.now += 10_001
  t.equal(await guard.call('send', 100, () => 'back'), 'back')
  t.same(changes, ['send open', 'send closed'])
})

test('a stop interrupts calls under way and counts nothing', async (t) => {
  const { guard, abort, changes } = setUp()
  const calls = Array.from({ length: 6 }, () =>
    guard.call(
      'send',
      10_000,
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
    ),
  )
  abort.abort(new Error('stop'))
  for (const call of calls) await t.rejects(call, { message: 'stopped' })
  t.same(changes, [])
})

test('calls leave nothing behind at the signal of their instance, however they end', async (t) => {
  const { guard, abort } = setUp()
  for (let i = 0; i < 50; i++) {
    await guard.call('handle', 1000, async (signal) => signal.aborted)
    await guard.call('edit', 1000, async () => 'no signal asked for')
  }
  await t.rejects(guard.call('send', 1000, (signal) => Promise.reject(new Error(`${signal.aborted}`)))) // prettier-ignore
  let answer: (() => void) | undefined
  const slow = (signal: AbortSignal) => new Promise<void>((resolve) => { answer = resolve; void signal }) // prettier-ignore
  await t.rejects(guard.call('slow', 5, slow), { code: 'TL_PLUGIN_TIMEOUT' })
  answer?.()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(leftAt(abort.signal), 0)
})

test('a call in hand is told that its instance stops, one that begins then finds it so', async (t) => {
  const { guard, abort } = setUp()
  let heard: unknown
  const call = guard.call('send', 1000, (signal) => {
    return new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => {
        heard = signal.reason
        resolve()
      }),
    )
  })
  abort.abort('stopping')
  await call
  t.equal(heard, 'stopping')
  t.ok(await guard.call('send', 1000, async (signal) => signal.aborted))
})
