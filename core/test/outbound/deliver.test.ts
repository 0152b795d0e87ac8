import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { PluginError } from '@throughline/plugin-sdk'
import { withDatabase } from '../support/database.js'
import {
  eventsOf,
  hurry,
  lapse,
  messageState,
  Network,
  say,
  seed,
  sendsOf,
  startNode,
  textChannel,
  until,
  untilState,
} from './fixture.js'

test('messages of one conversation arrive in order, also when the first of them needs more tries', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  let failures = 3
  network.behave = async (part) => {
    if (part.text === '1' && failures-- > 0) throw new PluginError('retryable', 'busy')
    return network.accept()
  }
  const where = await seed(store)
  const other = await seed(store)
  const ids: string[] = []
  for (const text of ['1', '2', '3']) ids.push((await node.outbound.queue(say(where, text))).messageId)
  const beside = await node.outbound.queue(say(other, 'beside'))
  await untilState(store, beside.messageId, 'sent')
  t.notOk(network.texts.includes('2'), 'nothing overtakes the part that waits for its next try')
  await until(async () => {
    await hurry(store, node)
    return (await messageState(store, ids[2] ?? '')) === 'sent'
  })
  t.same(
    network.texts.filter((text) => text !== 'beside'),
    ['1', '2', '3'],
  )
  t.same(
    network.attempts.filter((each) => each.part.text === '1').map((each) => each.attempt),
    [1, 2, 3, 4],
  )
  const keys = new Set(
    network.attempts.filter((each) => each.part.text === '1').map((each) => each.part.idempotencyKey),
  )
  t.equal(keys.size, 1, 'one idempotency key over all tries')
  t.same((await eventsOf(store, ids[0] ?? '')).types, ['message.queued', 'message.sending', 'message.sent'])
})

test('two nodes on one database send every part once, in order, and never two of one thread at a time', async (t) => {
  const store = await withDatabase(t, { poolSize: 20 })
  const network = new Network()
  network.behave = async () => {
    await delay(Math.random() * 4)
    return network.accept()
  }
  const nodes = [
    startNode(t, store, { channels: { chat: { network } } }),
    startNode(t, store, { channels: { chat: { network } } }),
  ]
  const places = await Promise.all(Array.from({ length: 20 }, () => seed(store)))
  await Promise.all(
    places.map(async (where, place) => {
      for (let index = 0; index < 5; index += 1) {
        await nodes[(place + index) % 2]?.outbound.queue(say(where, `${index}`, `${index}+`))
      }
    }),
  )
  const stirred = setInterval(() => nodes.forEach((node) => node.outbound.wake()), 5)
  t.teardown(() => clearInterval(stirred))
  await until(() => network.received.length >= 200)
  await until(async () => {
    const left = await sql<{ count: number }>`select count(*)::int as count from send where state <> 'sent'`.execute(
      store.db,
    )
    return left.rows[0]?.count === 0
  })
  t.equal(network.received.length, 200)
  t.equal(new Set(network.received.map((part) => part.idempotencyKey)).size, 200)
  t.same(network.overlaps, [])
  for (const where of places) {
    const texts = network.received.filter((part) => part.thread.id === where.thread).map((part) => part.text)
    t.same(texts, ['0', '0+', '1', '1+', '2', '2+', '3', '3+', '4', '4+'])
  }
})

test('a node that dies while sending leaves an unknown message, and the lane goes on', async (t) => {
  const store = await withDatabase(t)
  const [dying, healthy] = [new Network(), new Network()]
  let release = (): void => undefined
  const stuck = new Promise<void>((resolve) => (release = resolve))
  dying.behave = async () => {
    await stuck
    return { externalId: 'late' }
  }
  const first = startNode(t, store, { channels: { chat: { network: dying } } })
  const where = await seed(store)
  const lost = await first.outbound.queue(say(where, 'one', 'two'))
  await until(() => dying.attempts.length === 1)
  const next = await first.outbound.queue(say(where, 'next'))
  const second = startNode(t, store, { channels: { chat: { network: healthy } } })
  await second.outbound.sweep()
  t.equal(await messageState(store, lost.messageId), 'sending', 'a live lease is left alone')
  await lapse(store)
  await second.outbound.sweep()
  t.equal(await messageState(store, lost.messageId), 'unknown')
  await untilState(store, next.messageId, 'sent')
  t.same(healthy.texts, ['next'], 'what may have arrived is not sent again, and its rest stays behind')
  t.same(
    (await sendsOf(store, lost.messageId)).map((send) => send.state),
    ['unknown', 'cancelled'],
  )
  t.match((await eventsOf(store, lost.messageId)).last, { state: 'unknown', code: 'lapsed' })
  release()
  await until(() => first.logged.some((fields) => 'send' in fields))
  t.equal(await messageState(store, lost.messageId), 'unknown', 'the late holder writes nothing')
  await first.outbound.stop(50)
  await second.outbound.retry(lost.messageId, { kind: 'agent', id: 'ada' })
  await untilState(store, lost.messageId, 'sent')
  t.same(healthy.texts, ['next', 'one', 'two'], 'an agent may try it again, whole and in order')
})

test('where the network drops repeats, the part of a dead node is sent again under the same key', async (t) => {
  const store = await withDatabase(t)
  const [dying, healthy] = [new Network(), new Network()]
  const capabilities = { ...textChannel, idempotentSend: true }
  dying.behave = () => new Promise(() => undefined)
  const first = startNode(t, store, { channels: { chat: { network: dying, capabilities } } })
  const { messageId } = await first.outbound.queue(say(await seed(store), 'once'))
  await until(() => dying.attempts.length === 1)
  const second = startNode(t, store, { channels: { chat: { network: healthy, capabilities } } })
  await lapse(store)
  await second.outbound.sweep()
  await untilState(store, messageId, 'sent')
  t.equal(healthy.received[0]?.idempotencyKey, dying.attempts[0]?.part.idempotencyKey)
})

test('a process that stood still since its claim does not send', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  let calls = 0
  // The first claim is read at 0, the check before sending an hour later; after that the clock goes on as usual.
  const monotonic = (): number => ((calls += 1) === 1 ? 0 : 3_600_000 + performance.now())
  const node = startNode(t, store, { channels: { chat: { network } }, monotonic })
  await until(() => calls >= 1)
  calls = 0
  const { messageId } = await node.outbound.queue(say(await seed(store), 'x'))
  await untilState(store, messageId, 'sent')
  t.equal(network.attempts.length, 1)
  t.equal(network.attempts[0]?.attempt, 1, 'the claim that was given back used up no attempt')
})

test('an answer without a usable id, or with one that is taken, still counts as sent', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  const answers: unknown[] = [
    undefined,
    {},
    { externalId: '' },
    { externalId: 5 },
    { externalId: 'x'.repeat(600) },
    { externalId: 'same' },
    { externalId: 'same' },
  ]
  network.behave = async () => answers.shift() as never
  const where = await seed(store)
  const { messageId } = await node.outbound.queue(say(where, ...Array.from({ length: 7 }, (_, index) => `${index}`)))
  await untilState(store, messageId, 'sent')
  t.same(
    (await sendsOf(store, messageId)).map((send) => send.external_id),
    [null, null, null, null, null, 'same', null],
  )
  t.equal(network.received.length, 7)
})

test('a node that stops lets what is on its way arrive and takes nothing more', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  network.behave = async () => {
    await gate
    return network.accept()
  }
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  const where = await seed(store)
  const first = await outbound.queue(say(where, 'on its way'))
  const second = await outbound.queue(say(where, 'waits'))
  await until(() => network.attempts.length === 1)
  const stopped = outbound.stop()
  release()
  await stopped
  t.equal(await messageState(store, first.messageId), 'sent')
  t.equal(await messageState(store, second.messageId), 'queued')
  t.same(network.texts, ['on its way'])
})

test('what a dead node had in hand is settled at once, and nothing that a living node has', async (t) => {
  const store = await withDatabase(t)
  const capabilities = { ...textChannel, idempotentSend: true }
  const never = new Network()
  never.behave = () => new Promise(() => undefined)
  const channels = { safe: { network: never, capabilities }, plain: { network: never } }
  const dead = startNode(t, store, { channels })
  const [safe, plain] = [await seed(store, { channel: 'safe' }), await seed(store, { channel: 'plain' })]
  const repeated = await dead.outbound.queue(say(safe, 'once'))
  const unsure = await dead.outbound.queue(say(plain, 'perhaps'))
  await until(() => never.attempts.length === 2)
  await dead.outbound.stop(0)
  const living = startNode(t, store, { channels: { safe: { network: never, capabilities } } })
  const held = await living.outbound.queue(say(await seed(store, { channel: 'safe' }), 'in hand'))
  await until(() => never.attempts.length === 3)
  const healthy = new Network()
  const heir = startNode(t, store, {
    channels: { safe: { network: healthy, capabilities }, plain: { network: healthy } },
  })
  await heir.outbound.free([dead.id])
  await untilState(store, repeated.messageId, 'sent')
  t.equal(healthy.received[0]?.idempotencyKey, never.attempts.find(({ part }) => part.text === 'once')?.part.id)
  t.equal(await messageState(store, unsure.messageId), 'unknown', 'nobody knows whether it left')
  t.equal(await messageState(store, held.messageId), 'sending', 'another node has it')
  t.same(healthy.texts, ['once'])
})

test('a lapsed part waits until its plugin is loaded, since only that says whether the network drops repeats', async (t) => {
  const store = await withDatabase(t)
  const [dying, healthy] = [new Network(), new Network()]
  const capabilities = { ...textChannel, idempotentSend: true }
  dying.behave = () => new Promise(() => undefined)
  const first = startNode(t, store, { channels: { chat: { network: dying, capabilities } } })
  const { messageId } = await first.outbound.queue(say(await seed(store), 'once'))
  await until(() => dying.attempts.length === 1)
  await first.outbound.stop(0)
  const second = startNode(t, store, { channels: { chat: { network: healthy, capabilities, unloaded: true } } })
  await lapse(store)
  await second.outbound.sweep()
  t.equal(await messageState(store, messageId), 'sending')
  second.channels.get('chat')?.setLoaded()
  await second.outbound.sweep()
  await untilState(store, messageId, 'sent')
  t.equal(healthy.received.length, 1)
})
