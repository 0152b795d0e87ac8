import { test } from 'tap'
import type { InboundEvent, ThreadMessage } from '@throughline/plugin-sdk'
import { createThreadReader } from '../../src/conversations/thread-reader.js'
import { readWatched } from '../../src/events/outbox-store.js'
import type { ThreadReader } from '../../src/plugins/contract.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { message, pipeline, type Pipeline } from '../support/pipeline.js'

interface World {
  readonly store: Store
  readonly pipe: Pipeline
  readonly threads: ThreadReader
  says(thread: string, text: string, more?: Partial<InboundEvent>): Promise<string>
}

async function threadWorld(t: { teardown(fn: () => void | Promise<void>): void }): Promise<World> {
  const store = await withDatabase(t)
  const pipe = await pipeline(store, { timeline: { watched: (channel) => channel === 'chat' } })
  t.teardown(() => pipe.stop())
  const threads = createThreadReader({
    db: store.db,
    reader: pipe.reader,
    readWatched: (watch, types, after, limit) => readWatched(store.db, watch, types, after, limit),
  })
  return {
    store,
    pipe,
    threads,
    async says(thread, text, more = {}) {
      const event = message(thread, text, more as never)
      await pipe.accept('chat', [event])
      await pipe.drained()
      return event.id
    },
  }
}

/** An agent's answer on a thread, as the outbound side writes it. */
async function answer(world: World, thread: string, text: string): Promise<void> {
  const { store, pipe } = world
  const { rows } = await store.pool.query<{ id: string; conversation: string }>(
    `with at as (select * from touchpoint where channel = 'chat' and thread = $1 order by created_at desc limit 1)
     insert into message (id, conversation_id, touchpoint_id, channel, direction, author_kind, author_id, text, parts, provider_at, state)
     select gen_random_uuid(), conversation_id, id, channel, 'out', 'agent', 'ada', $2, $3, clock_timestamp(), 'queued' from at
     returning id, conversation_id as conversation`,
    [thread, text, JSON.stringify([{ type: 'text', text }])],
  )
  const { id, conversation } = rows[0]!
  await store.db.transaction().execute((trx) =>
    pipe.sequencer.append(trx, [
      {
        type: 'message.queued',
        conversation,
        watch: `chat/${thread}`,
        actor: { kind: 'agent', id: 'ada' },
        data: { messageId: id },
      },
    ]),
  )
  pipe.sequencer.poke()
  await pipe.drained()
}

const texts = (page: readonly ThreadMessage[]) =>
  page.map((one) => (one.parts[0]?.type === 'text' ? one.parts[0].text : null))

test('a client reads its own thread: public messages of this channel and thread, with agents by name, and nothing else', async (t) => {
  const world = await threadWorld(t)
  const { store, pipe, threads } = world
  await store.pool.query(`insert into agent (id, name, email, role) values ('ada', 'Ada L.', 'ada@x.test', 'agent')`)
  const sender = { id: 'v1', name: 'Ann', identifiers: [{ kind: 'phone', value: '+15550001111' }] }
  const externalId = await world.says('v1', 'hello', { sender })
  await pipe.accept('sms', [message('s1', 'secret by sms', { sender: { ...sender, id: 's1' } })])
  await pipe.accept('sms', [message('v1', 'same thread id elsewhere')])
  await world.says('v2', 'another visitor')
  await answer(world, 'v1', 'how can I help?')
  await store.pool.query(
    `insert into message (id, conversation_id, direction, author_kind, text, parts, provider_at)
     select gen_random_uuid(), conversation_id, 'note', 'agent', 'a rude note', '[]', now() from touchpoint where thread = 'v1'`,
  )
  // A note that names the touchpoint, as a careless writer might leave it, is none of the customer's business either.
  await store.pool.query(
    `insert into message (id, conversation_id, touchpoint_id, direction, author_kind, text, parts, provider_at)
     select gen_random_uuid(), conversation_id, id, 'note', 'agent', 'another', '[]', now() from touchpoint where thread = 'v1' and channel = 'chat'`,
  )
  const page = await threads.read('chat', 'v1', {})
  t.match(page, [
    { direction: 'in', externalId, author: { kind: 'customer', name: null }, parts: [{ text: 'hello' }] },
    { direction: 'out', author: { kind: 'agent', name: 'Ada L.' }, parts: [{ text: 'how can I help?' }] },
  ])
  t.equal(page.length, 2)
  t.strictSame(await threads.read('chat', "v1' or true", {}), [])
})

test('from any cursor the rest follows, in order, and nothing is skipped or shown twice', async (t) => {
  const world = await threadWorld(t)
  for (let i = 0; i < 5; i++) {
    await world.says('v1', `m${i}`)
    await world.says('v2', `of another ${i}`)
    await answer(world, 'v1', `a${i}`)
  }
  const expected = Array.from({ length: 5 }, (_, i) => [`m${i}`, `a${i}`]).flat()
  const whole = await world.threads.read('chat', 'v1', {})
  t.strictSame(texts(whole), expected)
  for (const [i, one] of whole.entries()) {
    const rest = await world.threads.read('chat', 'v1', { after: one.cursor })
    t.strictSame(texts(rest), expected.slice(i + 1), `after ${expected[i]}`)
  }
  const paged: unknown[] = []
  for (let after = whole[0]!.cursor; ;) {
    const page = await world.threads.read('chat', 'v1', { after, limit: 2 })
    paged.push(...texts(page))
    if (page.length < 2) break
    after = page.at(-1)!.cursor
  }
  t.strictSame(paged, expected.slice(1))
  t.strictSame(texts(await world.threads.read('chat', 'v1', { limit: 3 })), expected.slice(-3), 'the newest page')
})

test('a message whose event has no position yet is read again from the cursor rather than never', async (t) => {
  const world = await threadWorld(t)
  await world.says('v1', 'first')
  const { rows } = await world.store.pool.query<{ position: string }>('select position from event_head')
  // Committed and visible, but another node's reader has not seen its event: the head here is behind.
  const behind = Object.create(world.pipe.reader, {
    head: { value: () => Number(rows[0]!.position) },
    epoch: { value: world.pipe.reader.epoch },
    subscribe: { value: () => () => undefined },
    onEphemeral: { value: () => () => undefined },
    read: { value: async () => [] },
  }) as typeof world.pipe.reader
  await world.says('v1', 'second')
  const threads = createThreadReader({
    db: world.store.db,
    reader: behind,
    readWatched: (watch, types, after, limit) => readWatched(world.store.db, watch, types, after, limit),
  })
  const page = await threads.read('chat', 'v1', {})
  t.strictSame(texts(page), ['first', 'second'])
  t.strictSame(texts(await threads.read('chat', 'v1', { after: page.at(-1)!.cursor })), ['second'])
})

test('a cursor that is none, is of another log, or is older than what is kept starts again with the newest page', async (t) => {
  const world = await threadWorld(t)
  await world.says('v1', 'kept')
  const [first] = await world.threads.read('chat', 'v1', {})
  await world.says('v1', 'newer')
  t.strictSame(texts(await world.threads.read('chat', 'v1', { after: first!.cursor })), ['newer'])
  for (const after of ['', 'x', '-1.0', '1', '99999999999999999999.aaaaaaaa', '0.00000000', "1' or '1"]) {
    t.strictSame(texts(await world.threads.read('chat', 'v1', { after })), ['kept', 'newer'], after)
  }
  await world.store.pool.query('delete from event_log where position <= (select position from event_head) - 1')
  const fresh = await pipeline(world.store)
  t.teardown(() => fresh.stop())
  const threads = createThreadReader({ db: world.store.db, reader: fresh.reader, readWatched: async () => [] })
  t.strictSame(texts(await threads.read('chat', 'v1', { after: first!.cursor })), ['kept', 'newer'])
})

test('a deleted message has no words, a cancelled one is not shown', async (t) => {
  const world = await threadWorld(t)
  const id = await world.says('v1', 'regret')
  await answer(world, 'v1', 'too early')
  await world.store.pool.query(`update message set state = 'cancelled' where text = 'too early'`)
  await world.store.pool.query('update message set deleted_at = now() where external_id = $1', [id])
  t.match(await world.threads.read('chat', 'v1', {}), [{ externalId: id, parts: [] }])
  t.equal((await world.threads.read('chat', 'v1', {})).length, 1)
})

test('a watcher hears of its own thread only, of typing there, survives a throwing neighbour, and hears nothing after it stopped', async (t) => {
  const world = await threadWorld(t)
  const heard: object[] = []
  world.threads.watch('chat', 'v1', () => {
    throw new Error('a broken client')
  })
  const changed = (what: object) => heard.push(what)
  const stop = world.threads.watch('chat', 'v1', changed)
  const stopTwin = world.threads.watch('chat', 'v1', changed)
  stopTwin()
  stopTwin()
  await world.says('v2', 'of another')
  t.strictSame(heard, [])
  await world.says('v1', 'mine')
  t.strictSame(heard, [{}])
  world.pipe.reader.publish('agent.typing', { watch: 'chat/v1', on: true })
  world.pipe.reader.publish('agent.typing', { watch: 'chat/v2', on: true })
  world.pipe.reader.publish('agent.typing', { watch: 'chat/v1', on: false })
  world.pipe.reader.publish('agent.typing', { on: true })
  t.strictSame(heard.slice(1), [{ typing: true }, { typing: false }])
  stop()
  await world.says('v1', 'unheard')
  t.equal(heard.length, 3)
})

test('an edit, a reaction and a deletion reach who follows the thread at once, and the message comes again as it is now', async (t) => {
  const world = await threadWorld(t)
  const { pipe, threads } = world
  const target = await world.says('v1', 'helo')
  const [first] = await threads.read('chat', 'v1', {})
  let heard = 0
  threads.watch('chat', 'v1', () => (heard += 1))
  let after = first!.cursor
  const happens = async (id: string, event: object): Promise<ThreadMessage | undefined> => {
    const before = heard
    await pipe.accept('chat', [{ id, at: Date.now(), thread: { id: 'v1' }, target, ...event } as InboundEvent])
    await pipe.drained()
    t.equal(heard, before + 1, `${id} wakes the stream`)
    const page = await threads.read('chat', 'v1', { after })
    t.equal(page.length, 1)
    after = page[0]?.cursor ?? after
    t.equal(page[0]?.id, first!.id)
    return page[0]
  }
  const edited = await happens('e1', { type: 'edit', text: 'hello' })
  t.match(edited, { parts: [{ type: 'text', text: 'hello' }], edited: true })
  const sender = { id: 'v1' }
  t.strictSame((await happens('r1', { type: 'reaction', emoji: '👍', sender }))?.reactions, [{ emoji: '👍', count: 1 }])
  t.equal((await happens('r2', { type: 'reaction', emoji: null, sender }))?.reactions, undefined)
  const gone = await happens('d1', { type: 'delete' })
  t.match(gone, { parts: [], deleted: true })
  await pipe.accept('sms', [message('v1', 'elsewhere', { messageId: 'x1' })])
  const before = heard
  await pipe.accept('sms', [
    { id: 'e9', at: Date.now(), type: 'edit', thread: { id: 'v1' }, target: 'x1', text: 'changed' },
  ])
  await pipe.drained()
  t.equal(heard, before, 'of other channels it hears nothing')
})
