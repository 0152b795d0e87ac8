import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { PluginError, type Capabilities } from '@throughline/plugin-sdk'
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

const rich: Capabilities = {
  ...textChannel,
  text: { maxLength: 1000, format: 'markdown' },
  media: { image: { mime: ['*/*'], maxBytes: 1e9, by: 'url' } },
}

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

test('a part the network refuses fails with the rest of its message; the next message goes on', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  for (const code of ['recipient', 'permanent', 'window_closed'] as const) {
    network.behave = async (part) => {
      if (part.text === 'bad') throw new PluginError(code, 'secret detail', { userMessage: `No: ${code}` })
      return network.accept()
    }
    const where = await seed(store)
    const failing = await outbound.queue(say(where, 'good', 'bad', 'never'))
    const next = await outbound.queue(say(where, 'next'))
    await untilState(store, next.messageId, 'sent')
    t.equal(await messageState(store, failing.messageId), 'failed')
    const sends = await sendsOf(store, failing.messageId)
    t.same(
      sends.map((send) => [send.state, send.error_code]),
      [
        ['sent', null],
        ['failed', code],
        ['failed', 'earlier_part'],
      ],
    )
    const { types, last } = await eventsOf(store, failing.messageId)
    t.equal(types.at(-1), 'message.failed')
    t.match(last, { code, reason: `No: ${code}`, sendId: sends[1]?.id })
    t.notMatch(JSON.stringify(last), /secret/)
  }
})

test('bad credentials and bad settings hold the messages until the channel runs again', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound, channels } = startNode(t, store, { channels: { chat: { network } } })
  const chat = channels.get('chat')
  for (const code of ['auth', 'config'] as const) {
    network.behave = async () => {
      throw new PluginError(code, 'token expired')
    }
    const where = await seed(store)
    const { messageId } = await outbound.queue(say(where, 'hold me'))
    await until(async () => (await messageState(store, messageId)) === 'queued' && chat?.live === null)
    const [send] = await sendsOf(store, messageId)
    t.match(send, { state: 'queued', attempts: 0, error_code: code })
    t.match((await eventsOf(store, messageId)).last, { state: 'queued', code })
    network.behave = async () => network.accept()
    await sql`update send set retry_at = clock_timestamp()`.execute(store.db)
    chat?.setLive(true)
    await untilState(store, messageId, 'sent')
  }
  t.same(chat?.reports, ['auth', 'config'])
})

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

test('refused content goes once more in a simpler form, in its place', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network, capabilities: rich } } })
  network.behave = async (part) => {
    if (part.content.type === 'image') {
      await delay(20)
      throw new PluginError('unsupported', 'no images here')
    }
    return network.accept()
  }
  const where = await seed(store)
  const media = { file: 'abc', name: 'lamp.png' }
  const long = {
    ...say(where),
    parts: [
      { type: 'image', media, caption: `First. ${'word '.repeat(300)}` } as const,
      { type: 'text', text: 'behind' } as const,
    ],
  }
  const first = await outbound.queue(long)
  const next = await outbound.queue(say(where, 'next'))
  await untilState(store, next.messageId, 'sent')
  t.equal(network.texts[0], 'lamp.png: https://files.example/abc')
  t.equal(network.texts.at(-2), 'behind')
  t.equal(network.texts.at(-1), 'next')
  t.equal(await messageState(store, first.messageId), 'sent')
  const row = await store.db
    .selectFrom('message')
    .select('losses')
    .where('id', '=', first.messageId)
    .executeTakeFirstOrThrow()
  t.match(row.losses, [/caption follows/, /sent as 2 messages/, /sent as a link/])
})

test('what is refused in its simplest form as well has failed', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network, capabilities: rich } } })
  network.behave = async () => {
    throw new PluginError('unsupported', 'nothing')
  }
  const { messageId } = await outbound.queue({
    ...say(await seed(store)),
    parts: [{ type: 'image', media: { file: 'abc' } }],
  })
  await untilState(store, messageId, 'failed')
  t.equal(network.attempts.length, 2)
  t.not(network.attempts[0]?.part.idempotencyKey, network.attempts[1]?.part.idempotencyKey, 'other content, other key')
})

test('a refusal with more than one part in the simpler form keeps the order of everything behind it', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const capabilities: Capabilities = { ...rich, card: 'full' }
  const { outbound } = startNode(t, store, { channels: { chat: { network, capabilities } } })
  network.behave = async (part) => {
    if (part.content.type === 'card') {
      await delay(20)
      throw new PluginError('unsupported', 'no cards')
    }
    return network.accept()
  }
  const where = await seed(store)
  const card = { type: 'card', title: 'Lamp', text: 'Nice', image: { file: 'abc' } } as const
  const first = await outbound.queue({
    ...say(where),
    parts: [{ type: 'text', text: 'before' }, card, { type: 'text', text: 'behind' }],
  })
  const next = await outbound.queue(say(where, 'next', 'last'))
  await untilState(store, next.messageId, 'sent')
  t.same(network.texts, ['before', 'image', 'Lamp\nNice', 'behind', 'next', 'last'])
  t.equal(await messageState(store, first.messageId), 'sent')
})

test('an uncertain send is unknown, or tried again where the network drops repeats', async (t) => {
  const store = await withDatabase(t)
  const [plain, safe, hanging] = [new Network(), new Network(), new Network()]
  const node = startNode(t, store, {
    channels: {
      plain: { network: plain },
      safe: { network: safe, capabilities: { ...textChannel, idempotentSend: true } },
      hanging: { network: hanging },
    },
    limits: { sendTimeoutMs: 50 },
  })
  let uncertain = true
  plain.behave = safe.behave = async () => {
    if (uncertain) throw new PluginError('uncertain', 'no answer')
    return safe.accept()
  }
  hanging.behave = () => new Promise(() => undefined)
  const ids = await Promise.all(
    ['plain', 'safe', 'hanging'].map(
      async (channel) => (await node.outbound.queue(say(await seed(store, { channel }), 'x'))).messageId,
    ),
  )
  await untilState(store, ids[0] ?? '', 'unknown')
  await untilState(store, ids[2] ?? '', 'unknown')
  t.match((await eventsOf(store, ids[0] ?? '')).last, { code: 'uncertain', reason: /not known/ })
  await until(() => safe.attempts.length > 0)
  uncertain = false
  await until(async () => {
    await hurry(store, node)
    return (await messageState(store, ids[1] ?? '')) === 'sent'
  })
})

test('a plugin that throws anything else is tried three times; its words reach neither log nor agent', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  network.behave = async (part) => {
    throw new TypeError(`cannot read ${part.text}`)
  }
  const { messageId } = await node.outbound.queue(say(await seed(store), 'my secret'))
  await until(async () => {
    await hurry(store, node)
    return (await messageState(store, messageId)) === 'dead'
  })
  t.equal(network.attempts.length, 3)
  t.notMatch(
    JSON.stringify([
      node.logged,
      (await eventsOf(store, messageId)).rows,
      await sendsOf(store, messageId).then((sends) => sends.map((send) => send.error_message)),
    ]),
    /secret/,
  )
  t.match(node.logged.at(-1), { error: 'TypeError', outcome: 'dead' })
})

test('a network that stays away makes the message dead after seven tries', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const node = startNode(t, store, { channels: { chat: { network } } })
  network.behave = async () => {
    throw new PluginError('retryable', 'down')
  }
  const { messageId } = await node.outbound.queue(say(await seed(store), 'x', 'y'))
  await until(async () => {
    await hurry(store, node)
    return (await messageState(store, messageId)) === 'dead'
  })
  t.equal(network.attempts.length, 7)
  t.same(
    (await sendsOf(store, messageId)).map((send) => send.state),
    ['dead', 'dead'],
  )
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
