import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { PluginError, type Capabilities } from '@throughline/plugin-sdk'
import { withDatabase } from '../support/database.js'
import {
  eventsOf,
  hurry,
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
