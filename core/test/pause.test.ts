import { test } from 'tap'
import { linkSignals, pauseUntil } from '../src/clock.js'
import { leftAt } from './support/left-at-signal.js'

test('a pause ends when it is woken, when everything stops, and by itself', async (t) => {
  const stop = new AbortController()
  const woken = new AbortController()
  const waiting = pauseUntil(60_000, woken, stop.signal)
  woken.abort()
  await waiting
  await pauseUntil(1, new AbortController(), stop.signal)
  const stopped = pauseUntil(60_000, new AbortController(), stop.signal)
  stop.abort()
  await stopped
  await pauseUntil(60_000, new AbortController(), stop.signal)
  t.pass('none of them took a minute')
})

test('pauses leave nothing behind at the signal that outlives them', async (t) => {
  const stop = new AbortController()
  for (let i = 0; i < 100; i++) {
    const woken = new AbortController()
    const waiting = pauseUntil(60_000, woken, stop.signal)
    woken.abort()
    await waiting
  }
  t.equal(leftAt(stop.signal), 0)
})

test('a linked signal ends with the first of its sources and tells its reason', async (t) => {
  const [one, two] = [new AbortController(), new AbortController()]
  const both = linkSignals(one.signal, two.signal)
  t.notOk(both.signal.aborted)
  two.abort('enough')
  one.abort('too late')
  t.equal(both.signal.reason, 'enough')
  t.equal(
    linkSignals(new AbortController().signal, one.signal).signal.reason,
    'too late',
    'one that was aborted before',
  )
})

test('a link that was let go leaves nothing behind and ends nothing', async (t) => {
  const stop = new AbortController()
  const link = linkSignals(stop.signal, new AbortController().signal)
  t.equal(leftAt(stop.signal), 1)
  link.release()
  t.equal(leftAt(stop.signal), 0)
  stop.abort()
  t.notOk(link.signal.aborted)
})

test('AbortSignal.any leaves a weak reference behind before Node 24, and it is counted', async (t) => {
  const { signal } = new AbortController()
  const either = AbortSignal.any([signal, new AbortController().signal])
  const [major] = process.versions.node.split('.').map(Number)
  t.equal(leftAt(signal), major !== undefined && major >= 24 ? 0 : 1)
  t.notOk(either.aborted)
})
