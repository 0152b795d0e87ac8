import { randomUUID } from 'node:crypto'
import type { Analytics, LoggedEvent } from '@throughline/plugin-sdk'
import { test } from 'tap'
import { createCursorStore } from '../../src/analytics/cursor-store.js'
import { createAnalytics } from '../../src/analytics/runner.js'
import type { EventReader, StoredEvent } from '../../src/events/contract.js'
import { createLeaseStore } from '../../src/jobs/lease-store.js'
import { createLeases } from '../../src/jobs/leases.js'
import type { Instance } from '../../src/plugins/contract.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { recordingLog, until } from '../plugins/support.js'

/** A log in memory with the reader's contract. */
function eventLog(kept = 0) {
  const events: StoredEvent[] = []
  const readers = new Set<(batch: readonly StoredEvent[]) => void>()
  const reader = {
    epoch: 'e',
    head: () => events.length,
    subscribe: (receive: (batch: readonly StoredEvent[]) => void) => {
      readers.add(receive)
      return () => void readers.delete(receive)
    },
    read: async (after: number, limit: number) => (after < kept ? null : events.slice(after, after + limit)),
    publish: () => undefined,
    onEphemeral: () => () => undefined,
    reach: () => Promise.resolve(),
  } satisfies EventReader
  return {
    reader,
    add(type: string, data: Record<string, unknown> = {}) {
      const event: StoredEvent = {
        position: events.length + 1,
        type,
        at: 0,
        conversation: randomUUID(),
        contact: null,
        actor: { kind: 'customer', id: null },
        data,
        agent: null,
        watch: null,
        cause: null,
      }
      events.push(event)
      for (const receive of readers) receive([event])
    },
  }
}

function instance(live: Partial<Analytics> & Pick<Analytics, 'handle'>, id = 'facts'): Instance<Analytics> {
  const whole: Analytics = { events: '*', pii: 'none', batch: { max: 10, waitMs: 1 }, ...live }
  return {
    id,
    use: id,
    live: whole,
    status: () => ({}) as any,
    call: async (_operation, _ms, run) => run(whole, new AbortController().signal),
  }
}

function runner(store: Store, reader: EventReader, instances: Instance<Analytics>[]) {
  const { lines, log } = recordingLog()
  const analytics = createAnalytics({
    instances: () => instances,
    reader,
    cursors: createCursorStore(store.db),
    leases: createLeases({ store: createLeaseStore(store.db), node: randomUUID() }),
    rootKey: Buffer.alloc(32, 3),
    log,
    limits: { handleMs: 1_000, standbyMs: 20, backoffMs: 5 },
  })
  return { analytics, lines }
}

test('every wanted event arrives in order and once, over a restart, and text stays out', async (t) => {
  const store = await withDatabase(t)
  const log = eventLog()
  const seen: LoggedEvent[] = []
  const facts = instance({ events: ['message.inbound'], handle: async (batch) => void seen.push(...batch) })
  for (let i = 0; i < 25; i++) log.add(i % 2 ? 'note.added' : 'message.inbound', { text: 'CANARY' })
  const first = runner(store, log.reader, [facts])
  first.analytics.start()
  await until(() => seen.length === 13)
  log.add('message.inbound')
  await until(() => seen.length === 14)
  await first.analytics.stop()
  log.add('message.inbound')
  const second = runner(store, log.reader, [facts])
  second.analytics.start()
  await until(() => seen.length === 15)
  await second.analytics.stop()
  t.same(
    seen.map((event) => event.position),
    [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 26, 27],
  )
  t.notMatch(JSON.stringify(seen), 'CANARY')
  t.notOk('agent' in seen[0]! || 'watch' in seen[0]!, 'who may see an event is no business of a plugin')
  t.equal(await createCursorStore(store.db).read('facts'), 27)
})

test('a batch that fails is tried again and never skipped', async (t) => {
  const store = await withDatabase(t)
  const log = eventLog()
  const seen: number[] = []
  let tries = 0
  const facts = instance({
    handle: async (batch) => {
      if (++tries < 4) throw new Error('the warehouse is away, says +15551234')
      seen.push(...batch.map((event) => event.position))
    },
  })
  log.add('a')
  log.add('b')
  const { analytics, lines } = runner(store, log.reader, [facts])
  analytics.start()
  await until(() => seen.length === 2)
  await analytics.stop()
  t.same(seen, [1, 2])
  t.equal(lines.filter((line) => line.level === 'warn').length, 3)
  t.notMatch(JSON.stringify(lines), '1555')
})

test('of two nodes one reads, unless the plugin wants every node', async (t) => {
  const store = await withDatabase(t)
  const log = eventLog()
  log.add('before')
  const counts: Record<string, number> = { a: 0, b: 0, nodeA: 0, nodeB: 0 }
  const count = (name: string) => async (batch: readonly LoggedEvent[]) => void (counts[name]! += batch.length)
  const a = runner(store, log.reader, [
    instance({ handle: count('a') }),
    instance({ scope: 'node', handle: count('nodeA') }, 'prom'),
  ])
  const b = runner(store, log.reader, [
    instance({ handle: count('b') }),
    instance({ scope: 'node', handle: count('nodeB') }, 'prom'),
  ])
  a.analytics.start()
  b.analytics.start()
  for (let i = 0; i < 20; i++) log.add('x')
  await until(() => counts['a']! + counts['b']! === 21 && counts['nodeA'] === 20 && counts['nodeB'] === 20)
  t.ok(counts['a'] === 0 || counts['b'] === 0)
  await a.analytics.stop()
  await b.analytics.stop()
})

test('a reader that lost its place to another moves nothing', async (t) => {
  const store = await withDatabase(t)
  const cursors = createCursorStore(store.db)
  t.equal(await cursors.move('x', 0, 5), true)
  t.equal(await cursors.move('x', 0, 9), false)
  t.equal(await cursors.read('x'), 5)
  t.equal(await cursors.move('x', 5, 6), true)
})

test('events deleted before they were read are told of, and the plugin goes on', async (t) => {
  const store = await withDatabase(t)
  const log = eventLog(3)
  const seen: number[] = []
  for (let i = 0; i < 3; i++) log.add('old')
  const { analytics, lines } = runner(store, log.reader, [
    instance({ handle: async (batch) => void seen.push(...batch.map((it) => it.position)) }),
  ])
  analytics.start()
  await until(() => lines.some((line) => line.level === 'error'))
  log.add('new')
  await until(() => seen.length === 1)
  await analytics.stop()
  t.same(seen, [4])
})

test('expositions of all instances are joined, and one that fails is left out', async (t) => {
  const store = await withDatabase(t)
  const handle = async (): Promise<void> => undefined
  const { analytics } = runner(store, eventLog().reader, [
    instance({ handle, exposition: async () => ({ contentType: 'text/plain', body: 'a 1\n' }) }, 'good'),
    instance({ handle, exposition: () => Promise.reject(new Error('no')) }, 'bad'),
    instance({ handle }, 'none'),
  ])
  t.same(await analytics.expositions(), [{ instance: 'good', contentType: 'text/plain', body: 'a 1\n' }])
})
