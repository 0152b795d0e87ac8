import fc from 'fast-check'
import { test } from 'tap'
import { estimateWait } from '../../src/routing/estimate.js'
import { withDatabase } from '../support/database.js'
import { QueueNews } from '../../src/routing/queue-news.js'
import { agent, dispatch, enqueue, node, pending, queue } from './harness.js'

test('the estimate: slots that have to come free, worked at side by side', async (t) => {
  const handle = { meanS: 300, deviationS: 100 }
  const full = { agents: 4, slots: 16, freeSlots: 0, handle }
  t.strictSame(estimateWait({ ...full, position: 1 }), { p50S: 19, p80S: 24 })
  t.strictSame(estimateWait({ ...full, position: 16 }), { p50S: 300, p80S: 321 })
  t.strictSame(estimateWait({ ...full, freeSlots: 3, position: 3 }), { p50S: 0, p80S: 0 }, 'there is room')
  t.equal(estimateWait({ ...full, agents: 1, position: 1 }), null, 'hidden for a pool below two')
  t.equal(estimateWait({ ...full, handle: null, position: 1 }), null, 'nothing is known')
})

test('a place further back never has a shorter estimate, nor a smaller p80 than p50', async (t) => {
  const pool = fc.record({
    agents: fc.integer({ min: 2, max: 50 }),
    slots: fc.integer({ min: 2, max: 400 }),
    freeSlots: fc.nat(20),
    handle: fc.record({ meanS: fc.integer({ min: 1, max: 10_000 }), deviationS: fc.nat(10_000) }),
  })
  fc.assert(
    fc.property(pool, fc.integer({ min: 1, max: 5000 }), (one, position) => {
      const here = estimateWait({ ...one, position })
      const behind = estimateWait({ ...one, position: position + 1 })
      return here !== null && behind !== null && here.p50S <= here.p80S && here.p50S <= behind.p50S
    }),
  )
  t.pass('held for random pools')
})

test('figures of a queue: who waits, who is logged in, who is free, how long a newcomer waits', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('vip', { teams: ['vip'] })] })
  await here.start()
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { capacity: 25 })
  await agent(store, here, 'b', { capacity: 25 })
  await agent(store, here, 'gone', { status: 'away' })
  for (let i = 0; i < 5; i++) {
    const { conversation } = await enqueue(store, here)
    await here.work.claim(conversation, 'a', { actor: { kind: 'agent', id: 'a' } })
    await store.pool.query(`update offer set accepted_at = accepted_at - interval '100 s' where state = 'accepted'`)
    await here.work.complete(conversation, null, { actor: { kind: 'agent', id: 'a' } })
  }
  for (const id of ['a', 'b']) {
    const { conversation } = await enqueue(store, here)
    await here.work.claim(conversation, id, { actor: { kind: 'agent', id } })
  }
  const waiting = [await enqueue(store, here, { agoS: 90 }), await enqueue(store, here, { agoS: 30 })]
  await enqueue(store, here, { held: { until: new Date(Date.now() + 60_000), reason: 'plan' } })
  // A node that looks for the first time: handle times are read once a minute.
  const { board } = node(store, { queues: [queue('support'), queue('vip', { teams: ['vip'] })] })
  const [support, vip] = await board.read()
  t.match(support, { queue: 'support', waiting: 2, held: 1, assigned: 2, loggedIn: 2, free: 0 })
  t.ok((support?.oldestWaitS ?? 0) >= 90)
  t.equal(Math.round((support?.wait?.p50S ?? 0) / 10), 15, 'three turns of 100 s at two slots')
  t.match(vip, { loggedIn: 0, free: 0, wait: null })
  t.equal(board.latest().get('support')?.waiting, 2, 'what rules ask is at hand')
  t.match(await board.waitOf(waiting[1]?.conversation ?? ''), { queue: 'support', position: 2 })
  t.match(await board.waitOf(waiting[0]?.conversation ?? ''), { position: 1 })
})

test('customers who follow their thread are told their places when these change, and when the wait is over', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  await here.start()
  t.teardown(() => here.stop())
  const items = []
  for (const thread of ['one', 'two/2', 'three']) {
    const made = await enqueue(store, here)
    await store.pool.query(
      `insert into touchpoint (id, conversation_id, contact_id, channel, thread) select gen_random_uuid(), id, contact_id, 'chat', $2
       from conversation where id = $1`,
      [made.conversation, thread],
    )
    items.push(made)
  }
  const told: unknown[] = []
  const news = new QueueNews({
    board: here.board,
    watched: () => ['chat/one', 'chat/two/2', 'chat/nobody'],
    tell: (watch, what) => void told.push([watch, what.queue?.position ?? null, what.queue?.estimate ?? null]),
    log: { warn: (_fields, message) => void told.push(message) },
  })
  await news.look()
  t.strictSame(told.splice(0), [
    ['chat/one', 1, null],
    ['chat/two/2', 2, null],
  ])
  await news.look()
  t.strictSame(told.splice(0), [], 'nothing has changed')
  await here.work.complete(items[0]?.conversation ?? '', null, { actor: { kind: 'agent', id: 'x' } })
  await news.look()
  t.strictSame(told.splice(0), [
    ['chat/one', null, null],
    ['chat/two/2', 1, null],
  ])
  await agent(store, here, 'a', { capacity: 25 })
  await here.settled()
  t.equal((await pending(store)).length, 1)
  await news.look()
  t.strictSame(told.splice(0), [], 'who is being offered is next')
  await agent(store, here, 'b', { capacity: 25 })
  await dispatch(here)
  for (const offer of await pending(store)) await here.work.accept(offer.id, offer.agent_id, offer.id)
  await news.look()
  t.strictSame(told.splice(0), [['chat/two/2', null, null]])
  await news.stop()
})
