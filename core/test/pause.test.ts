import { getEventListeners } from 'node:events'
import { test } from 'tap'
import { pauseUntil } from '../src/clock.js'

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
  t.equal(getEventListeners(stop.signal, 'abort').length, 0)
  const kept = Object.getOwnPropertySymbols(stop.signal).flatMap((key) => {
    const value: unknown = Reflect.get(stop.signal, key)
    return value instanceof Set ? [value.size] : []
  })
  t.ok(
    kept.every((size) => size === 0),
    'and no weak reference',
  )
})
