import type { ThreadChange, ThreadMessage } from '@throughline/plugin-sdk'
import { test } from 'tap'
import { threadStream } from '../src/thread-stream.js'
import { webChat } from './support/calls.js'

const say = (text: string): Partial<ThreadMessage> => ({ parts: [{ type: 'text', text }] })
const textOf = (event: { data: any } | undefined) => event?.data.parts?.[0].text

test('a stream tells what was there, then what comes, each once', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  chat.host.threads.say(thread, say('1'))
  const stream = await chat.stream(token)
  t.equal((await stream.next())?.event, 'open')
  t.equal(textOf(await stream.next()), '1')
  const waiting = stream.next()
  chat.host.threads.say(thread, say('2'))
  t.equal(textOf(await waiting), '2')
  chat.host.threads.say(thread, say('3'))
  chat.host.threads.say(thread, say('4'))
  t.same([textOf(await stream.next()), textOf(await stream.next())], ['3', '4'])
  stream.close()
  t.equal(await stream.next(), undefined)
})

test('a stream resumed at the last cursor has no gap and no double, wherever it was cut', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  const seen: string[] = []
  let after: string | undefined
  for (let round = 0; round < 6; round += 1) {
    // What is said while nobody listens, more than a page of it once.
    for (let n = 0; n < (round === 3 ? 230 : 3); n += 1) chat.host.threads.say(thread, say(`${seen.length}-${n}`))
    const total = Number((await chat.host.threads.read(thread, { limit: 9999 })).length)
    const stream = await chat.stream(token, after)
    await stream.next()
    const stop = round % 2 === 0 ? total : total - 1
    while (seen.length < stop) {
      const event = await stream.next()
      seen.push(event?.data.id)
      after = event?.id
    }
    stream.close()
  }
  const expected = (await chat.host.threads.read(thread, { limit: 9999 })).map((message) => message.id)
  t.same(seen, expected.slice(0, seen.length))
  t.ok(seen.length >= expected.length - 1)
})

test('a wake-up that comes while the thread is being read is not lost', async (t) => {
  const all: ThreadMessage[] = []
  let changed: () => void = () => {}
  let reads = 0
  const message = (n: number): ThreadMessage => ({
    id: `m${n}`,
    direction: 'out',
    at: 0,
    author: { kind: 'agent', name: null },
    parts: [],
    externalId: null,
    cursor: `${n}`,
  })
  const stream = threadStream(
    {
      // The engine takes its snapshot, then a message is committed and announced, then the answer arrives.
      read: async (_thread, options) => {
        const snapshot = all.filter((known) => options?.after === undefined || known.cursor > options.after)
        reads += 1
        if (reads <= 3) {
          all.push(message(reads))
          changed()
        }
        return snapshot
      },
      watch: (_thread, listener) => {
        changed = () => listener({})
        return () => {}
      },
      files: { put: async () => Promise.reject(new Error('unused')), get: async () => null, url: () => '' },
    },
    'thread',
    // The safety look is too far away to help.
    { after: undefined, signal: new AbortController().signal, pollMs: 2 ** 30 },
  )
  const ids: unknown[] = []
  for await (const item of stream) {
    if (item.id !== undefined) ids.push(item.id)
    if (ids.length === 3) break
  }
  t.same(ids, ['1', '2', '3'])
})

test('a lost wake-up costs only the time until the next look', async (t) => {
  const all: ThreadMessage[] = []
  const controller = new AbortController()
  const stream = threadStream(
    {
      read: async (_thread, options) =>
        all.filter((known) => options?.after === undefined || known.cursor > options.after),
      watch: () => () => {},
      files: { put: async () => Promise.reject(new Error('unused')), get: async () => null, url: () => '' },
    },
    'thread',
    { after: undefined, signal: controller.signal, pollMs: 5 },
  )
  await stream.next()
  const next = stream.next()
  setImmediate(() =>
    all.push({
      id: 'm',
      direction: 'out',
      at: 0,
      author: { kind: 'agent', name: null },
      parts: [],
      externalId: null,
      cursor: '1',
    }),
  )
  t.equal((await next).value?.id, '1')
  controller.abort()
})

test('an agent who types is shown, whichever node knows of it, and a message ends it', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  const stream = await chat.stream(token)
  await stream.next()
  const here = stream.next()
  await chat.channel.typing?.({ id: thread }, true, { signal: new AbortController().signal, attempt: 1 })
  t.same(await here, { event: 'typing', data: { on: true } })
  const elsewhere = stream.next()
  chat.host.threads.notify(thread, { typing: false })
  t.same(await elsewhere, { event: 'typing', data: { on: false } })
  chat.host.threads.notify(thread, { typing: true })
  chat.host.threads.say(thread, say('done'))
  t.equal(textOf(await stream.next()), 'done')
  stream.close()
  t.equal(await stream.next(), undefined, 'the typing before the message is not told any more')
})

test('a stream ends with its caller, with the instance and with the visitor token, and leaves no watcher behind', async (t) => {
  const chat = await webChat({ visitorDays: 1 })
  const { token, thread } = await chat.session()
  const open = async () => {
    const stream = await chat.stream(token)
    await stream.next()
    return stream
  }
  const left = await open()
  const waiting = left.next()
  t.equal(chat.host.threads.watchers, 1)
  left.close()
  t.equal(await waiting, undefined)
  t.equal(chat.host.threads.watchers, 0)

  const expired = await open()
  const last = expired.next()
  await chat.host.advance(25 * 3_600_000)
  chat.host.threads.say(thread, say('too late'))
  t.equal(await last, undefined, 'nothing is told to an expired token')

  const { token: renewed } = await chat.session()
  const stopped = await chat.stream(renewed)
  await stopped.next()
  const end = stopped.next()
  chat.host.abort()
  t.equal(await end, undefined)
  t.equal(chat.host.threads.watchers, 0)
})

test('nobody hears or reads the thread of somebody else', async (t) => {
  const chat = await webChat()
  const [one, two] = [await chat.session(), await chat.session()]
  chat.host.threads.say(one['thread'], say('secret'))
  const query = { after: '0', thread: one['thread'] }
  t.same((await chat.get('thread', query, two['token'])).body['messages'], [])
  const stream = await chat.stream(two['token'])
  await stream.next()
  const next = stream.next()
  chat.host.threads.say(one['thread'], say('secret too'))
  chat.host.threads.say(two['thread'], say('yours'))
  t.equal(textOf(await next), 'yours')
  stream.close()
})

test('one visitor cannot open streams without end', async (t) => {
  const chat = await webChat()
  const { token } = await chat.session()
  const streams = []
  for (let n = 0; n < 12; n += 1) {
    const stream = await chat.stream(token)
    await stream.next()
    streams.push(stream)
  }
  t.match(await chat.get('stream', {}, token), { status: 429, body: { code: 'too_many_streams' } })
  const first = streams[0]
  const ending = first?.next()
  first?.close()
  await ending
  const again = await chat.stream(token)
  t.equal((await again.next())?.event, 'open')
  for (const stream of [...streams, again]) stream.close()
})

test('a waiting visitor is told the place in the queue, the newest only, and when the wait is over', async (t) => {
  let tell: (what: ThreadChange) => void = () => {}
  const controller = new AbortController()
  const stream = threadStream(
    {
      read: async () => [],
      watch: (_thread, changed) => {
        tell = changed
        return () => {}
      },
      files: { put: async () => Promise.reject(new Error('unused')), get: async () => null, url: () => '' },
    },
    'thread',
    { after: undefined, signal: controller.signal, pollMs: 60_000 },
  )
  await stream.next()
  const first = stream.next()
  setImmediate(() => {
    tell({ queue: { position: 3, estimate: null } })
    tell({ queue: { position: 2, estimate: { p50S: 60, p80S: 120 } } })
  })
  t.same((await first).value, {
    event: 'queue',
    data: { position: 2, estimate: { p50S: 60, p80S: 120 } },
  })
  const over = stream.next()
  setImmediate(() => tell({ queue: null }))
  t.same((await over).value, { event: 'queue', data: null })
  controller.abort()
})
