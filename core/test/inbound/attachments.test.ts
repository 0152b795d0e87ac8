import { createServer, type RequestListener } from 'node:http'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { PluginError, type Channel, type Files, type MediaHandle, type SendControl } from '@throughline/plugin-sdk'
import { systemClock } from '../../src/clock.js'
import { ThroughlineError } from '../../src/errors.js'
import { createAttachments, type AttachmentDeps, type Attachments } from '../../src/inbound/attachments.js'
import { createEgress } from '../../src/plugins/egress.js'
import { createFiles } from '../../src/plugins/files.js'
import { createFileRows } from '../../src/plugins/file-store.js'
import { createHttp } from '../../src/plugins/http-client.js'
import type { ChannelInstance } from '../../src/plugins/contract.js'
import { withDatabase } from '../support/database.js'
import { message, pipeline, silent } from '../support/pipeline.js'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const MAX = 10_000

interface Row {
  readonly state: string
  readonly reason: string | null
  readonly mime: string | null
  readonly name: string | null
  readonly attempts: number
  readonly file_key: string | null
  readonly wait: number
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve: () => resolve() }
}

type Teardown = { teardown(fn: () => void | Promise<void>): void }

async function attachmentWorld(t: Teardown) {
  const store = await withDatabase(t)
  const pipe = await pipeline(store)
  t.teardown(() => pipe.stop())
  const dir = await mkdtemp(join(tmpdir(), 'throughline-files-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const events: { type: string; data: Readonly<Record<string, unknown>> }[] = []
  pipe.reader.subscribe((batch) => events.push(...batch))
  const files: Files = createFiles({
    rows: createFileRows(store.db),
    dir,
    maxBytes: MAX,
    rootKey: new Uint8Array(32),
    publicUrl: 'http://127.0.0.1',
    clock: systemClock,
  })
  const egress = createEgress({ allow: [] })
  t.teardown(() => egress.close())
  /** The guard opened for the servers of this test, on loopback; by default it is closed. */
  const open = createEgress({ allow: ['127.0.0.1'] })
  t.teardown(() => open.close())
  const client = (through: typeof egress) =>
    createHttp({ egress: through, clock: systemClock, signal: new AbortController().signal })
  return {
    store,
    pipe,
    dir,
    files,
    events,
    make(more: Partial<AttachmentDeps> & { guarded?: boolean } = {}): Attachments {
      const { guarded = false, ...deps } = more
      const made = createAttachments({
        db: store.db,
        events: pipe.sequencer,
        log: silent,
        files,
        channel: () => null,
        http: client(guarded ? egress : open),
        maxBytes: MAX,
        ...deps,
      })
      t.teardown(() => made.stop())
      return made
    },
    /** A message with one attachment; answers the attachment's id. */
    async arrives(media: MediaHandle, channel = 'sms'): Promise<string> {
      const event = message('s1', 'look', { parts: [{ type: 'image', media }] })
      await pipe.accept(channel, [event])
      await pipe.drained()
      const { rows } = await store.pool.query<{ id: string }>(
        'select a.id from attachment a join message m on m.id = a.message_id where m.channel = $1 and m.external_id = $2',
        [channel, event.id],
      )
      return rows[0]!.id
    },
    async row(id: string): Promise<Row> {
      const { rows } = await store.pool.query<Row>(
        `select state, reason, mime, name, attempts, file_key, extract(epoch from retry_at - clock_timestamp())::float8 as wait
         from attachment where id = $1`,
        [id],
      )
      return rows[0]!
    },
    /** As if the time until the next try had passed. */
    async later(): Promise<void> {
      await store.pool.query(`update attachment set retry_at = now() - interval '1 second' where state = 'pending'`)
    },
  }
}

async function serve(t: Teardown, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A running channel whose fetchMedia is this. */
function channelThat(
  fetchMedia: (
    handle: MediaHandle,
    control: SendControl,
  ) => Promise<{ bytes: Uint8Array; mime?: string; name?: string }>,
): ChannelInstance {
  const live = { fetchMedia } as unknown as Channel
  return {
    live,
    call: (_operation: string, _ms: number, run: (live: Channel, signal: AbortSignal) => unknown) =>
      Promise.resolve(run(live, new AbortController().signal)),
  } as unknown as ChannelInstance
}

test('an attachment behind a plain link is stored under the type its bytes have, with an event', async (t) => {
  const world = await attachmentWorld(t)
  const base = await serve(t, (_request, response) => response.setHeader('content-type', 'text/html').end(PNG))
  const id = await world.arrives({ url: `${base}/a`, name: 'photo\n.png' })
  await world.make().sweep()
  const row = await world.row(id)
  t.match(row, { state: 'stored', mime: 'image/png', attempts: 1, reason: null })
  t.strictSame(await world.files.get(row.file_key!).then((bytes) => Buffer.from(bytes!)), PNG)
  await world.pipe.drained()
  t.match(
    world.events.filter((event) => event.type.startsWith('attachment.')),
    [{ type: 'attachment.stored', data: { attachmentId: id, messageId: String, state: 'stored' } }],
  )
})

test('what says it is a picture and is a web page is kept as bytes without a type that a browser would run', async (t) => {
  const world = await attachmentWorld(t)
  const base = await serve(t, (_request, response) =>
    response.setHeader('content-type', 'image/png').end('<html><script>alert(1)</script></html>'),
  )
  const id = await world.arrives({ url: `${base}/a.png`, mime: 'image/png' })
  await world.make().sweep()
  t.match(await world.row(id), { state: 'stored', mime: 'application/octet-stream' })
})

test('a file that is gone, or whose link has run out, marks the attachment and leaves the message', async (t) => {
  const world = await attachmentWorld(t)
  for (const status of [404, 410, 403]) {
    const base = await serve(t, (_request, response) => response.writeHead(status).end())
    const id = await world.arrives({ url: `${base}/gone` })
    await world.make().sweep()
    t.match(await world.row(id), { state: 'missing', attempts: 1, reason: /./ })
  }
  await world.pipe.drained()
  t.equal(world.events.filter((event) => event.type === 'attachment.missing').length, 3)
  const { rows } = await world.store.pool.query('select count(*)::int as n from message')
  t.strictSame(rows, [{ n: 3 }])
})

test('too large a file is refused: by its announced size unfetched, by its real one while it comes', async (t) => {
  const world = await attachmentWorld(t)
  let asked = 0
  const base = await serve(t, (_request, response) => {
    asked += 1
    response.end(Buffer.alloc(MAX + 1))
  })
  const announced = await world.arrives({ url: `${base}/a`, size: MAX + 1 })
  await world.make().sweep()
  t.equal(asked, 0)
  const real = await world.arrives({ url: `${base}/a` })
  const fetched = await world.arrives({ id: 'x' }, 'wa')
  const big = channelThat(async () => ({ bytes: Buffer.alloc(MAX + 1) }))
  await world.make({ channel: (id) => (id === 'wa' ? big : null) }).sweep()
  for (const id of [announced, real, fetched])
    t.match(await world.row(id), { state: 'refused', reason: /more than|larger/ })
  t.strictSame(await readdir(world.dir), [])
})

test('links into private networks, redirects into them, and other protocols are refused, never followed', async (t) => {
  const world = await attachmentWorld(t)
  let asked = 0
  const inside = await serve(t, (_request, response) => {
    asked += 1
    response.end(PNG)
  })
  const urls = [
    inside,
    inside.replace('127.0.0.1', 'localhost'),
    'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:127.0.0.1]/',
    'http://0177.0.0.1/',
    'http://10.0.0.1/',
  ]
  for (const url of urls) {
    const id = await world.arrives({ url })
    await world.make({ guarded: true }).sweep()
    t.match(await world.row(id), { state: 'refused', attempts: 1 }, url)
  }
  for (const url of ['file:///etc/passwd', 'data:text/plain,x', 'ftp://x.test/', 'nonsense']) {
    const id = await world.arrives({ url })
    await world.make({ guarded: true }).sweep()
    t.match(await world.row(id), { state: 'missing', attempts: 1 }, url)
  }
  t.equal(asked, 0)
  const outside = await serve(t, (_request, response) =>
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  )
  const redirected = await world.arrives({ url: outside })
  await world.make().sweep()
  t.match(await world.row(redirected), { state: 'refused' })
})

test('a passing failure is tried again later and later, six times, and then the attachment is missing', async (t) => {
  const world = await attachmentWorld(t)
  const base = await serve(t, (_request, response) => response.writeHead(503).end())
  const id = await world.arrives({ url: `${base}/a` })
  const attachments = world.make()
  const waits: number[] = []
  for (let tries = 1; tries <= 5; tries++) {
    await attachments.sweep()
    const row = await world.row(id)
    t.match(row, { state: 'pending', attempts: tries })
    waits.push(row.wait)
    await attachments.sweep()
    t.equal((await world.row(id)).attempts, tries, 'not before its time')
    await world.later()
  }
  t.strictSame(
    waits,
    waits.toSorted((a, b) => a - b),
  )
  await attachments.sweep()
  t.match(await world.row(id), { state: 'missing', attempts: 6, reason: /6 tries/ })
})

test('a limit of the network, rejected credentials and a channel that does not run cost no try', async (t) => {
  const world = await attachmentWorld(t)
  const failures: Record<string, unknown> = {
    limited: PluginError.rateLimited(90_000),
    auth: new PluginError('auth', 'the token was rejected'),
    down: new ThroughlineError('TL_CHANNEL_UNAVAILABLE', 'it does not run'),
  }
  const stopped = { live: null } as unknown as ChannelInstance
  const failing = (id: string) =>
    channelThat(async () => {
      throw failures[id]
    })
  const ids: string[] = []
  for (const channel of [...Object.keys(failures), 'stopped', 'removed']) {
    ids.push(
      await world.arrives(channel === 'stopped' ? { url: 'http://needs.test/credentials' } : { id: 'x' }, channel),
    )
  }
  const attachments = world.make({
    channel: (id) => (id === 'removed' ? null : id === 'stopped' ? stopped : failing(id)),
  })
  for (let i = 0; i < 8; i++) {
    await world.later()
    await attachments.sweep()
  }
  for (const id of ids) t.match(await world.row(id), { state: 'pending', attempts: 0 })
  t.ok((await world.row(ids[0]!)).wait > 60, 'the network said how long')
  await world.store.pool.query(`update attachment set created_at = now() - interval '4 days'`)
  await world.later()
  await attachments.sweep()
  for (const id of ids) t.match(await world.row(id), { state: 'missing', reason: /days/ })
})

test('what a plugin refuses for good, an empty file and a message taken back are settled at once', async (t) => {
  const world = await attachmentWorld(t)
  const channels: Record<string, ChannelInstance> = {
    unsupported: channelThat(async () => {
      throw new PluginError('unsupported', 'stickers cannot be fetched')
    }),
    empty: channelThat(async () => ({ bytes: new Uint8Array() })),
    deleted: channelThat(async () => ({ bytes: PNG })),
    bare: { live: {} } as unknown as ChannelInstance,
  }
  const ids: Record<string, string> = {}
  for (const channel of Object.keys(channels)) ids[channel] = await world.arrives({ id: 'x' }, channel)
  await world.store.pool.query(`update message set deleted_at = now() where channel = 'deleted'`)
  await world.make({ channel: (id) => channels[id] ?? null }).sweep()
  t.match(await world.row(ids['unsupported']!), { state: 'refused', reason: 'stickers cannot be fetched' })
  t.match(await world.row(ids['empty']!), { state: 'missing', reason: /empty/ })
  t.match(await world.row(ids['deleted']!), { state: 'refused', reason: /deleted/ })
  t.match(await world.row(ids['bare']!), { state: 'refused' })
  t.strictSame(await readdir(world.dir), [])
})

test('a channel that hangs delays no other channel, and a stop does not wait for it: the try is given back', async (t) => {
  const world = await attachmentWorld(t)
  const hanging: string[] = []
  for (let i = 0; i < 6; i++) hanging.push(await world.arrives({ id: `h${i}` }, 'hangs'))
  const reached = deferred()
  const hangs = channelThat(() => {
    reached.resolve()
    return new Promise(() => undefined)
  })
  const works = channelThat(async () => ({ bytes: PNG, name: 'a\0b.png' }))
  const attachments = world.make({ channel: (id) => (id === 'hangs' ? hangs : works) })
  attachments.wake()
  await reached.promise
  const id = await world.arrives({ id: 'w' }, 'works')
  attachments.wake()
  for (let i = 0; i < 400 && (await world.row(id)).state === 'pending'; i++)
    await new Promise((done) => setTimeout(done, 25))
  t.match(await world.row(id), { state: 'stored', name: 'a b.png' })
  t.equal((await Promise.all(hanging.map((one) => world.row(one)))).filter((row) => row.attempts === 1).length, 4)
  await attachments.stop()
  for (const one of hanging) t.match(await world.row(one), { state: 'pending', attempts: 0 })
  attachments.wake()
  await world.make({ channel: () => works }).sweep()
  for (const one of hanging) t.match(await world.row(one), { state: 'stored' })
})

test('a fetch that takes too long is a passing failure', async (t) => {
  const world = await attachmentWorld(t)
  const id = await world.arrives({ id: 'x' })
  const slow = {
    live: { fetchMedia: () => undefined },
    call: () => Promise.reject(new ThroughlineError('TL_PLUGIN_TIMEOUT', 'fetchMedia took longer than 60000 ms')),
  } as unknown as ChannelInstance
  await world.make({ channel: () => slow }).sweep()
  t.match(await world.row(id), { state: 'pending', attempts: 1 })
})

test('a node that dies between fetching and recording leaves nothing double: the next one stores the same file', async (t) => {
  const world = await attachmentWorld(t)
  const id = await world.arrives({ id: 'x' })
  const works = channelThat(async () => ({ bytes: PNG }))
  const stored = deferred()
  const dying = world.make({
    channel: () => works,
    files: {
      put: async (bytes, meta) => {
        await world.files.put(bytes, meta)
        stored.resolve()
        return new Promise(() => undefined)
      },
    },
  })
  dying.wake()
  await stored.promise
  t.match(await world.row(id), { state: 'pending', attempts: 1 })
  const next = world.make({ channel: () => works })
  await next.sweep()
  t.match(await world.row(id), { state: 'pending', attempts: 1 }, 'its lease is still running')
  await world.later()
  await next.sweep()
  t.match(await world.row(id), { state: 'stored', attempts: 2 })
  const { rows } = await world.store.pool.query('select count(*)::int as n from file')
  t.strictSame(rows, [{ n: 1 }])
})

test('two nodes that sweep at once fetch each attachment once', async (t) => {
  const world = await attachmentWorld(t)
  const ids: string[] = []
  for (let i = 0; i < 12; i++) ids.push(await world.arrives({ id: `x${i}` }))
  const fetched: string[] = []
  const works = channelThat(async (handle) => {
    fetched.push(handle.id!)
    return { bytes: PNG }
  })
  const nodes = [world.make({ channel: () => works }), world.make({ channel: () => works })]
  await Promise.all(nodes.map((node) => node.sweep()))
  t.equal(new Set(fetched).size, 12)
  t.equal(fetched.length, 12)
  for (const id of ids) t.match(await world.row(id), { state: 'stored', attempts: 1 })
  await world.pipe.drained()
  t.equal(world.events.filter((event) => event.type === 'attachment.stored').length, 12)
})
