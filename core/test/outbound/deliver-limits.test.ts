import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import type { createOutbound } from '../../src/outbound/outbound.js'
import { PluginError, type Capabilities } from '@throughline/plugin-sdk'
import { withDatabase } from '../support/database.js'
import { eventsOf, Network, say, seed, sendsOf, startNode, textChannel, until, untilState } from './fixture.js'

test('a rate limit of the network pauses the whole channel on all nodes, and no attempt is used up', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const nodes = [
    startNode(t, store, { channels: { chat: { network } } }),
    startNode(t, store, { channels: { chat: { network } } }),
  ]
  network.behave = async () => {
    throw PluginError.rateLimited(3_600_000)
  }
  const first = await nodes[0]!.outbound.queue(say(await seed(store), 'a'))
  await until(async () => (await eventsOf(store, first.messageId)).last?.code === 'rate_limited')
  network.behave = async () => network.accept()
  const second = await nodes[1]!.outbound.queue(say(await seed(store), 'b'))
  await nodes[1]!.outbound.sweep()
  await delay(50)
  t.equal(network.received.length, 0, 'the other node keeps the pause as well')
  t.match(await sendsOf(store, first.messageId), [{ state: 'queued', attempts: 0 }])
  await sql`update channel_limit set paused_until = clock_timestamp()`.execute(store.db)
  nodes[1]!.outbound.wake()
  await untilState(store, first.messageId, 'sent')
  await untilState(store, second.messageId, 'sent')
})

test('a limit of one thread holds up that thread on all nodes, in all its conversations, and nobody else', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const nodes = [1, 2].map(() => startNode(t, store, { channels: { chat: { network } } }))
  network.behave = async (part) => {
    if (part.thread.id === 'busy') throw PluginError.rateLimited(3_600_000, { scope: 'thread' })
    return network.accept()
  }
  const first = await nodes[0]!.outbound.queue(say(await seed(store, { thread: 'busy' }), 'a'))
  await until(async () => (await eventsOf(store, first.messageId)).last?.code === 'rate_limited')
  const again = await nodes[1]!.outbound.queue(say(await seed(store, { thread: 'busy' }), 'b'))
  const other = await nodes[1]!.outbound.queue(say(await seed(store), 'c'))
  await untilState(store, other.messageId, 'sent')
  await nodes[0]!.outbound.sweep()
  await delay(50)
  t.equal(network.attempts.filter(({ part }) => part.thread.id === 'busy').length, 1)
  t.match(await sendsOf(store, first.messageId), [{ state: 'queued', attempts: 0 }])
  network.behave = async () => network.accept()
  await sql`update channel_limit set paused_until = clock_timestamp()`.execute(store.db)
  nodes[1]!.outbound.wake()
  await untilState(store, first.messageId, 'sent')
  await untilState(store, again.messageId, 'sent')
})

test('a short pause ends by itself', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  let limited = 1
  network.behave = async () => {
    if (limited-- > 0) throw PluginError.rateLimited(30)
    return network.accept()
  }
  const { messageId } = await outbound.queue(say(await seed(store), 'x'))
  await untilState(store, messageId, 'sent')
  t.equal(network.attempts.length, 2)
})

test('the bucket of a channel is shared by all nodes', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const capabilities: Capabilities = { ...textChannel, rate: { perSecond: 0.0001, burst: 3 } }
  const nodes = [1, 2].map(() => startNode(t, store, { channels: { chat: { network, capabilities } } }))
  for (let index = 0; index < 8; index += 1) await nodes[index % 2]!.outbound.queue(say(await seed(store), `${index}`))
  await until(() => network.received.length >= 3)
  await Promise.all(nodes.map((node) => node.outbound.sweep()))
  await delay(50)
  t.equal(network.received.length, 3)
  await sql`update channel_limit set tokens = 2`.execute(store.db)
  nodes.forEach((node) => node.outbound.wake())
  await until(() => network.received.length >= 5)
  await delay(50)
  t.equal(network.received.length, 5)
  t.same(network.texts.toSorted(), ['0', '1', '2', '3', '4'], 'oldest first')
})

test('a refilled bucket is found again without anybody knocking', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const capabilities: Capabilities = { ...textChannel, rate: { perSecond: 50, burst: 1 } }
  const { outbound } = startNode(t, store, { channels: { chat: { network, capabilities } } })
  for (let index = 0; index < 5; index += 1) await outbound.queue(say(await seed(store), `${index}`))
  await until(() => network.received.length === 5)
  t.pass('all five went out')
})

test('where a network limits each thread, the next message of a thread waits and the others do not', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const capabilities: Capabilities = { ...textChannel, rate: { perThread: 0.001 } }
  const { outbound } = startNode(t, store, { channels: { chat: { network, capabilities } } })
  const [one, two] = [await seed(store, { thread: 'one' }), await seed(store, { thread: 'two' })]
  for (const text of ['1', '2']) for (const where of [one, two]) await outbound.queue(say(where, text))
  await until(() => network.received.length >= 2)
  await outbound.sweep()
  await delay(50)
  t.same(network.received.map((part) => [part.thread.id, part.text]).toSorted(), [
    ['one', '1'],
    ['two', '1'],
  ])
  await sql`update channel_limit set paused_until = clock_timestamp() - interval '2 minutes'`.execute(store.db)
  await outbound.sweep()
  await until(() => network.received.length === 4)
  t.pass('after the wait both went on')
})

test('a channel that hangs holds up no other', async (t) => {
  const store = await withDatabase(t)
  const [hanging, chat] = [new Network(), new Network()]
  hanging.behave = () => new Promise(() => undefined)
  const { outbound } = startNode(t, store, {
    channels: { hanging: { network: hanging }, chat: { network: chat } },
    limits: { lanesPerChannel: 4, lanesPerNode: 4 },
  })
  for (let index = 0; index < 10; index += 1) await outbound.queue(say(await seed(store, { channel: 'hanging' }), 'x'))
  await until(() => hanging.attempts.length === 4)
  for (let index = 0; index < 5; index += 1) await outbound.queue(say(await seed(store), `${index}`))
  await until(() => chat.received.length === 5)
  t.equal(hanging.attempts.length, 4)
})

test('while the breaker of a channel is open nothing is claimed only to be given back, and then it goes on by itself', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const until400 = performance.now() + 400
  const { outbound } = startNode(t, store, {
    channels: { chat: { network, heldFor: () => Math.max(0, until400 - performance.now()) } },
  })
  await outbound.queue(say(await seed(store), 'later'))
  await until(() => network.received.length === 1)
  t.ok(performance.now() >= until400)
  const { rows } = await store.pool.query<{ attempts: number; error_code: string | null }>(
    'select attempts, error_code from send',
  )
  t.same(rows, [{ attempts: 1, error_code: null }])
})

test('a node whose places are all taken asks the others for help, and they take what waits', async (t) => {
  const store = await withDatabase(t)
  const receivers: ((data: Readonly<Record<string, unknown>>) => void)[] = []
  let asked = 0
  const hints: Parameters<typeof createOutbound>[0]['hints'] = {
    publish(_topic, data) {
      asked++
      for (const receive of receivers) receive(data)
    },
    onEphemeral(_topic, receive) {
      receivers.push(receive)
      return () => undefined
    },
  }
  const [busy, idle] = [new Network(), new Network()]
  busy.behave = () => new Promise(() => undefined)
  const limits = { lanesPerChannel: 2 }
  const { outbound } = startNode(t, store, { channels: { chat: { network: busy } }, limits, hints })
  startNode(t, store, { channels: { chat: { network: idle } }, limits, hints })
  for (let index = 0; index < 6; index += 1) await outbound.queue(say(await seed(store), `${index}`))
  await until(() => idle.received.length === 4)
  t.equal(busy.attempts.length, 2)
  t.ok(asked <= 3, `asked ${asked} times`)
})
