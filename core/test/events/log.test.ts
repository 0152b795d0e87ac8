import { test } from 'tap'
import type { NewEvent, StoredEvent } from '../../src/events/contract.js'
import { LogReader } from '../../src/events/reader.js'
import { Sequencer } from '../../src/events/sequencer.js'
import type { Store } from '../../src/store/store.js'
import type { Wire } from '../../src/events/wire.js'
import { withDatabase } from '../support/database.js'
import { silent } from '../support/pipeline.js'

interface Node {
  readonly sequencer: Sequencer
  readonly reader: LogReader
  readonly seen: StoredEvent[]
}

async function node(t: { teardown(run: () => Promise<void>): void }, store: Store, name: string): Promise<Node> {
  const reader = new LogReader({ db: store.db, url: store.url, log: silent, node: name })
  const sequencer = new Sequencer({ db: store.db, log: silent, moved: () => reader.look() })
  const seen: StoredEvent[] = []
  reader.subscribe((batch) => seen.push(...batch))
  await reader.start()
  sequencer.start()
  t.teardown(async () => {
    await sequencer.stop()
    await reader.stop()
  })
  return { sequencer, reader, seen }
}

const event = (data: Record<string, unknown>): NewEvent => ({
  type: 'note.added',
  actor: { kind: 'system', id: null },
  data,
})

async function say(store: Store, one: Node, data: Record<string, unknown>): Promise<void> {
  await store.db.transaction().execute((trx) => one.sequencer.append(trx, [event(data)]))
  one.sequencer.poke()
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 800; i++) {
    if (done()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('it did not happen within 20 s')
}

test('positions are gap-free and every node sees every event once and in order, whoever wrote it', async (t) => {
  const store = await withDatabase(t, { poolSize: 12 })
  const [one, two] = [await node(t, store, 'one'), await node(t, store, 'two')]
  await Promise.all(Array.from({ length: 300 }, (_, i) => say(store, i % 2 ? one : two, { i })))
  await until(() => one.seen.length === 300 && two.seen.length === 300)
  for (const { seen } of [one, two]) {
    t.strictSame(
      seen.map((entry) => entry.position),
      Array.from({ length: 300 }, (_, i) => i + 1),
    )
    t.equal(new Set(seen.map((entry) => entry.data['i'])).size, 300)
  }
})

test('F11 an event whose transaction commits late gets a later position and is never skipped', async (t) => {
  const store = await withDatabase(t)
  const one = await node(t, store, 'one')
  let commit: () => void = () => undefined
  const held = new Promise<void>((resolve) => (commit = resolve))
  const late = store.db.transaction().execute(async (trx) => {
    await one.sequencer.append(trx, [event({ who: 'late' })])
    await held
  })
  await say(store, one, { who: 'early' })
  await until(() => one.seen.length === 1)
  commit()
  await late
  one.sequencer.poke()
  await until(() => one.seen.length === 2)
  t.strictSame(
    one.seen.map((entry) => [entry.position, entry.data['who']]),
    [
      [1, 'early'],
      [2, 'late'],
    ],
  )
})

test('F8 a LISTEN connection that is cut costs latency only, and comes back', async (t) => {
  const store = await withDatabase(t)
  const one = await node(t, store, 'one')
  await until(() => one.reader.listening)
  await store.pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'throughline-listen-%' and datname = current_database()",
  )
  await say(store, one, { n: 1 })
  await until(() => one.seen.length === 1)
  await until(() => one.reader.listening)
  await say(store, one, { n: 2 })
  await until(() => one.seen.length === 2)
  t.pass('both events arrived and the connection is up again')
})

test('what a node that died left in the outbox is sequenced by another node', async (t) => {
  const store = await withDatabase(t)
  const one = await node(t, store, 'one')
  await store.db.transaction().execute((trx) => one.sequencer.append(trx, [event({ orphan: true })]))
  await until(() => one.seen.length === 1)
  t.equal(one.seen[0]?.data['orphan'], true)
})

test('a client that has seen more than this node is not sent back: the node looks at the log first', async (t) => {
  const store = await withDatabase(t)
  const nobody: Wire = {
    connected: true,
    start: async () => undefined,
    stop: async () => undefined,
    moved: () => undefined,
    publish: () => undefined,
  }
  const reader = new LogReader({ db: store.db, url: store.url, log: silent, node: 'slow', wire: () => nobody })
  await reader.start()
  t.teardown(() => reader.stop())
  const other = await node(t, store, 'fast')
  await say(store, other, { n: 1 })
  await until(() => other.reader.head() === 1)
  await reader.reach(1)
  t.equal(reader.head(), 1)
  await reader.reach(1_000)
  t.equal(reader.head(), 1, 'a position nobody has given is not waited for')
})

test('a reader gets what it missed from the ring or the table, and null for what is no longer kept', async (t) => {
  const store = await withDatabase(t)
  const one = await node(t, store, 'one')
  for (let i = 1; i <= 20; i++) await say(store, one, { i })
  await until(() => one.seen.length === 20)
  const late = await node(t, store, 'late')
  t.strictSame(
    (await late.reader.read(5, 3))?.map((entry) => entry.position),
    [6, 7, 8],
    'from the table',
  )
  t.strictSame(
    (await one.reader.read(5, 3))?.map((entry) => entry.position),
    [6, 7, 8],
    'from the ring',
  )
  t.strictSame(await one.reader.read(20, 3), [])
  await store.pool.query('delete from event_log where position <= 10')
  t.equal(await late.reader.read(5, 3), null)
  t.strictSame(
    (await late.reader.read(10, 2))?.map((entry) => entry.position),
    [11, 12],
  )
})

test('retention keeps the newest rows however old they are', async (t) => {
  const store = await withDatabase(t)
  const one = await node(t, store, 'one')
  for (let i = 1; i <= 10; i++) await say(store, one, { i })
  await until(() => one.seen.length === 10)
  await store.pool.query("update event_log set at = now() - interval '100 hours'")
  await one.sequencer.prune(72, 4)
  const { rows } = await store.pool.query('select min(position) as first, count(*) as n from event_log')
  t.strictSame(rows, [{ first: 7, n: 4 }])
})

test('ephemeral hints reach this node at once and the other by notification, and never grow over 1 kB', async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [await node(t, store, 'one'), await node(t, store, 'two')]
  await until(() => one.reader.listening && two.reader.listening)
  const heard: string[] = []
  one.reader.onEphemeral('typing', (data) => heard.push(`one ${String(data['who'])}`))
  two.reader.onEphemeral('typing', (data) => heard.push(`two ${String(data['who'])}`))
  one.reader.publish('typing', { who: 'ada' })
  one.reader.publish('typing', { who: 'x'.repeat(2000) })
  await until(() => heard.length === 2)
  t.strictSame(heard, ['one ada', 'two ada'])
})
