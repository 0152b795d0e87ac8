import { test } from 'tap'
import { createFreshRows, type FreshRow } from '../../src/inbound/fresh-rows.js'

const row = (n: number): FreshRow => ({
  channel: 'chat',
  externalId: `m-${n}`,
  lane: 'chat/visitor',
  event: JSON.stringify({ type: 'message', at: n }),
  receivedAt: new Date(n),
})
const hand = (...ids: readonly number[]) => ids.map((id) => ({ id, shard: 1, crashes: 0 }))

test('rows stored a moment ago are taken once, all or none', (t) => {
  const fresh = createFreshRows(() => 0)
  for (const n of [1, 2, 3]) fresh.keep(n, row(n))
  t.match(fresh.take(hand(1, 2)), [
    { id: 1, shard: 1, externalId: 'm-1', event: { at: 1 } },
    { id: 2, shard: 1, externalId: 'm-2', event: { at: 2 } },
  ])
  t.equal(fresh.take(hand(1)), null, 'taken before')
  t.equal(fresh.take(hand(3, 4)), null, 'one of them is not here')
  t.equal(fresh.size, 0)
  t.end()
})

test('rows that another node drains are forgotten after a few seconds', (t) => {
  let now = 0
  const fresh = createFreshRows(() => now)
  fresh.keep(1, row(1))
  now = 1_999
  fresh.keep(2, row(2))
  now = 2_000
  fresh.keep(3, row(3))
  t.equal(fresh.size, 3)
  t.not(fresh.take(hand(2)), null, 'still here')
  now = 4_000
  fresh.keep(4, row(4))
  t.equal(fresh.take(hand(1)), null)
  t.not(fresh.take(hand(3, 4)), null)
  t.end()
})

test('after a silence, and in a flood, little is kept', (t) => {
  let now = 0
  const fresh = createFreshRows(() => now)
  for (let n = 0; n < 30_000; n++) fresh.keep(n, row(n))
  t.ok(fresh.size <= 10_000, `${fresh.size}`)
  t.not(fresh.take(hand(29_999)), null)
  now = 60_000
  fresh.keep(30_000, row(30_000))
  t.equal(fresh.size, 1)
  t.end()
})
