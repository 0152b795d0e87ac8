import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { test } from 'tap'
import type { Capabilities } from '@throughline/plugin-sdk'
import { verifyReplyToken } from '../../src/outbound/reply-token.js'
import { withDatabase } from '../support/database.js'
import {
  eventsOf,
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

test('what is written on a node that does not deliver reaches one that does by a job', async (t) => {
  const store = await withDatabase(t)
  const { outbound, jobs } = startNode(t, store, { channels: { chat: { network: new Network() } } })
  await outbound.stop()
  const where = await seed(store)
  const { messageId } = await outbound.queue(say(where, 'Hello'))
  t.match(jobs, [{ task: 'deliver', payload: { channel: 'chat' }, key: 'deliver:chat' }])
  t.equal(await messageState(store, messageId), 'queued')
})

test('a queued message has rows and an event, and arrives with what the network needs', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound, jobs } = startNode(t, store, { channels: { chat: { network, endpoints: true } } })
  await sql`insert into agent (id, name, email, role) values ('ada', 'Ada', 'a@b.example', 'agent')`.execute(store.db)
  const where = await seed(store, { subject: 'A\r\nBcc: x@y.example' })
  const { messageId, losses } = await outbound.queue(say(where, 'Hello **you**'))
  t.match(losses, [/formatting/])
  await untilState(store, messageId, 'sent')
  const part = network.received[0]
  t.match(part, {
    text: 'Hello you',
    content: { type: 'text', text: 'Hello you', format: 'plain' },
    thread: { id: where.thread },
    author: { kind: 'agent', name: 'Ada' },
    subject: 'A Bcc: x@y.example',
    replyTo: `in-${where.touchpoint}`,
    references: [`in-${where.touchpoint}`],
  })
  t.equal(part?.id, part?.idempotencyKey)
  t.same(verifyReplyToken(Buffer.alloc(32, 7), part?.replyToken ?? '', where.thread), {
    conversation: where.conversation,
  })
  const { types, rows } = await eventsOf(store, messageId)
  t.same(types, ['message.queued', 'message.sending', 'message.sent'])
  t.match(rows[0], {
    conversation_id: where.conversation,
    contact_id: where.contact,
    actor_kind: 'agent',
    actor_id: 'ada',
    cause: 'cmd-1',
    watch: `chat/${where.thread}`,
  })
  t.match(rows[0].data, {
    messageId,
    channel: 'chat',
    touchpoint: where.touchpoint,
    state: 'queued',
    losses,
    version: 2,
  })
  t.same(jobs, [], 'this node delivers itself')
  const conversation = await store.db.selectFrom('conversation').selectAll().executeTakeFirstOrThrow()
  t.match(conversation, { version: 2, waiting_since: null })
  const row = await store.db.selectFrom('message').selectAll().where('id', '=', messageId).executeTakeFirstOrThrow()
  t.match(row, {
    direction: 'out',
    author_kind: 'agent',
    text: 'Hello **you**',
    parts: [{ type: 'text', text: 'Hello **you**' }],
    automatic: false,
  })

  const second = await outbound.queue(say(where, 'And more'))
  await untilState(store, second.messageId, 'sent')
  t.same(network.received[1]?.references, [`in-${where.touchpoint}`, 'net-1'], 'own messages are referred to as well')
})

test('an answer of a bot or of the engine leaves the customer waiting for a person', async (t) => {
  const store = await withDatabase(t)
  const { outbound } = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const where = await seed(store)
  const { messageId } = await outbound.queue({
    conversation: where.conversation,
    parts: [],
    template: { name: 'auto-reply', values: { name: 'Ann' } },
    author: { kind: 'system', id: null },
  })
  const row = await store.db.selectFrom('message').selectAll().where('id', '=', messageId).executeTakeFirstOrThrow()
  t.match(row, { text: 'auto-reply for Ann', automatic: true })
  const conversation = await store.db.selectFrom('conversation').selectAll().executeTakeFirstOrThrow()
  t.ok(conversation.waiting_since)
})

test("inside the caller's transaction nothing is left when it is rolled back, and it goes out after commit and wake", async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  const where = await seed(store)
  const rolledBack = store.db.transaction().execute(async (trx) => {
    await outbound.queue(say(where, 'never'), trx)
    throw new Error('no')
  })
  await t.rejects(rolledBack, /no/)
  const { messageId } = await store.db.transaction().execute((trx) => outbound.queue(say(where, 'once'), trx))
  outbound.wake()
  await untilState(store, messageId, 'sent')
  t.same(network.texts, ['once'])
})

test('the answer goes where it was asked to go, else where the customer wrote last', async (t) => {
  const store = await withDatabase(t)
  const [chat, mail] = [new Network(), new Network()]
  const { outbound } = startNode(t, store, { channels: { chat: { network: chat }, mail: { network: mail } } })
  const where = await seed(store)
  const other = randomUUID()
  await sql`insert into touchpoint (id, conversation_id, contact_id, channel, thread)
    values (${other}, ${where.conversation}, ${where.contact}, 'mail', 'ann@example.com')`.execute(store.db)
  for (const target of [{}, { channel: 'mail' }, { touchpoint: other }]) {
    const { messageId } = await outbound.queue({ ...say(where, JSON.stringify(Object.keys(target))), ...target })
    await untilState(store, messageId, 'sent')
  }
  t.same(chat.texts, ['[]'])
  t.same(mail.texts, ['["channel"]', '["touchpoint"]'])
  const foreign = await seed(store)
  for (const bad of [
    { channel: 'fax' },
    { touchpoint: foreign.touchpoint },
    { touchpoint: 'x' },
    { conversation: randomUUID() },
    { conversation: "'" },
  ]) {
    await t.rejects(outbound.queue({ ...say(where, 'x'), ...bad }), { code: 'TL_COMMAND_NOT_FOUND' })
  }
  await t.rejects(outbound.queue({ ...say(where, '  \n ') }), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(outbound.queue({ ...say(where, 'word '.repeat(30_000)) }), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(outbound.queue({ ...say(where, ...Array.from({ length: 101 }, () => 'x')) }), {
    code: 'TL_COMMAND_INVALID',
  })
  await sql`update conversation set status = 'joined', joined_into = ${foreign.conversation} where id = ${where.conversation}`.execute(
    store.db,
  )
  await t.rejects(outbound.queue(say(where, 'x')), { code: 'TL_COMMAND_CONFLICT' })
})

test('text that the database or UTF-8 cannot hold is mended, not refused', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  const { messageId } = await outbound.queue(say(await seed(store), 'a\0b \ud83d c'))
  await untilState(store, messageId, 'sent')
  t.same(network.texts, ['ab \ufffd c'])
})

const windowed: Capabilities = {
  ...textChannel,
  template: 'full',
  proactive: { windowMs: 86_400_000, after: 'template' },
}

test('a closed reply window lets only templates through, and the preview says so before', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, {
    channels: {
      chat: { network, capabilities: windowed },
      strict: { network, capabilities: { ...windowed, proactive: { windowMs: 1000, after: 'never' } } },
      shy: { network, capabilities: { ...textChannel, proactive: 'never' } },
    },
  })
  const open = await seed(store)
  const closed = await seed(store, { agoMs: 86_400_001 })
  const template = { type: 'template', name: 'hello', language: 'en', parameters: [], text: 'Hello' } as const
  await outbound.queue(say(open, 'fine'))
  await t.rejects(outbound.queue(say(closed, 'too late')), { code: 'TL_CHANNEL_WINDOW_CLOSED' })
  const viaTemplate = await outbound.queue({ ...say(closed), parts: [template] })
  await untilState(store, viaTemplate.messageId, 'sent')
  t.match(await outbound.preview(say(closed, 'x')), { window: { open: false, after: 'template' } })
  const preview = await outbound.preview(say(open, 'x'))
  t.ok(preview.window.open && preview.window.closesAt && preview.window.closesAt > new Date())
  const strict = await seed(store, { channel: 'strict', agoMs: 5000 })
  await t.rejects(outbound.queue({ ...say(strict), parts: [template] }), { code: 'TL_CHANNEL_WINDOW_CLOSED' })
  const never = await seed(store, { channel: 'shy', agoMs: null })
  await t.rejects(outbound.queue(say(never, 'x')), { code: 'TL_CHANNEL_WINDOW_CLOSED' })
  // The network counts per thread: a newer conversation on the same thread opens the window for the older one.
  await seed(store, { thread: closed.thread })
  await outbound.queue(say(closed, 'open again'))
})

test('the preview tells what would be lost and writes nothing', async (t) => {
  const store = await withDatabase(t)
  const { outbound } = startNode(t, store, { channels: { chat: { network: new Network() } } })
  const where = await seed(store)
  const choices = [{ label: 'Yes' }, { label: 'No' }]
  const shown = await outbound.preview({ ...say(where), parts: [{ type: 'choices', text: 'Well?', choices }] })
  t.match(shown, {
    channel: 'chat',
    touchpoint: where.touchpoint,
    parts: [{ type: 'text', text: 'Well?\n\n1. Yes\n2. No' }],
    losses: [/numbered list/],
  })
  t.equal((await store.db.selectFrom('send').selectAll().execute()).length, 0)
})

test('what has not left can be taken back; what failed can be tried again; neither twice', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound, channels } = startNode(t, store, { channels: { chat: { network, down: true } } })
  const where = await seed(store)
  const actor = { kind: 'agent', id: 'ada' } as const
  const taken = await outbound.queue(say(where, 'oops'))
  const kept = await outbound.queue(say(where, 'kept'))
  await outbound.cancel(taken.messageId, actor, 'cmd-2')
  t.equal(await messageState(store, taken.messageId), 'cancelled')
  t.match((await eventsOf(store, taken.messageId)).rows.at(-1), {
    type: 'message.cancelled',
    cause: 'cmd-2',
    actor_id: 'ada',
  })
  await t.rejects(outbound.cancel(taken.messageId, actor), { code: 'TL_COMMAND_CONFLICT' })
  await t.rejects(outbound.retry(taken.messageId, actor), { code: 'TL_COMMAND_CONFLICT' })
  await t.rejects(outbound.retry(randomUUID(), actor), { code: 'TL_COMMAND_NOT_FOUND' })
  await t.rejects(outbound.cancel('no id', actor), { code: 'TL_COMMAND_NOT_FOUND' })
  await sql`update send set state = 'failed' where message_id = ${kept.messageId}`.execute(store.db)
  await sql`update message set state = 'failed' where id = ${kept.messageId}`.execute(store.db)
  await outbound.retry(kept.messageId, actor, 'cmd-3')
  t.equal(await messageState(store, kept.messageId), 'queued')
  channels.get('chat')?.setLive(true)
  await untilState(store, kept.messageId, 'sent')
  await t.rejects(outbound.retry(kept.messageId, actor), { code: 'TL_COMMAND_CONFLICT' })
  t.same(network.texts, ['kept'])
})

test('two agents writing at once get an order, and the parts of each message stay together', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  const where = await seed(store)
  const messages = await Promise.all(
    Array.from({ length: 8 }, (_, index) => outbound.queue(say(where, `${index}a`, `${index}b`, `${index}c`))),
  )
  await until(() => network.received.length === 24)
  for (const { messageId } of messages) await untilState(store, messageId, 'sent')
  const order = network.texts.map((text) => text[0])
  t.equal(new Set(order.filter((each, index) => index % 3 === 0)).size, 8)
  t.ok(
    order.every((each, index) => each === order[index - (index % 3)]),
    order.join(''),
  )
  t.equal((await sendsOf(store, messages[0]?.messageId ?? '')).length, 3)
  const conversation = await store.db.selectFrom('conversation').select('version').executeTakeFirstOrThrow()
  t.equal(conversation.version, 9)
})

test('the order of the sends is the order in which their writers held the conversation', async (t) => {
  const store = await withDatabase(t)
  const network = new Network()
  const { outbound } = startNode(t, store, { channels: { chat: { network } } })
  const where = await seed(store)
  let second: Promise<unknown> | undefined
  await store.db.transaction().execute(async (trx) => {
    await sql`select 1 from conversation where id = ${where.conversation} for no key update`.execute(trx)
    second = outbound.queue(say(where, 'second'))
    await until(async () => {
      const waiting = await sql<{ count: number }>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(store.db)
      return waiting.rows[0]?.count === 1
    }, 'the second writer waiting')
    await outbound.queue(say(where, 'first'), trx)
  })
  await second
  outbound.wake()
  await until(() => network.received.length === 2)
  t.same(network.texts, ['first', 'second'])
})
