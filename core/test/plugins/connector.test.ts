import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'kysely'
import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { channel, fixtures, testHost, until } from './support.js'

interface Run {
  readonly node: string
  readonly how: string
  readonly active: boolean
  readonly inbox: { accept(events: unknown[]): Promise<unknown> }
  readonly signal: AbortSignal
}

const { runs } = (await import(pathToFileURL(join(fixtures, 'polls.mjs')).href)) as { runs: Run[] }

const polls = (node: string, how = 'well') => channel('poll', './polls.mjs', { config: { node, how } })

test('of two nodes one connects; when it stops, the other takes over', async (t) => {
  runs.length = 0
  const store = await withDatabase(t)
  const a = await testHost(t, store, { channels: [polls('a')] })
  const b = await testHost(t, store, { channels: [polls('b')] })
  await a.host.start()
  await until(() => runs.length === 1)
  await b.host.start()
  await until(() => b.host.statuses()[0]?.state === 'running')
  t.same(
    runs.map((run) => [run.node, run.active]),
    [['a', true]],
  )
  await a.host.stop()
  await until(() => runs.length === 2)
  t.same(
    runs.map((run) => [run.node, run.active]),
    [
      ['a', false],
      ['b', true],
    ],
  )
})

test('a node that lost its lease is told, and its late events are refused', async (t) => {
  runs.length = 0
  const store = await withDatabase(t)
  const a = await testHost(t, store, { channels: [polls('a')] })
  await a.host.start()
  await until(() => runs.length === 1)
  const [first] = runs
  // As if this node had slept and somebody else had taken over: another token in the row.
  await sql`update lease set token = gen_random_uuid(), until = now() + interval '1 hour' where name = 'connect:poll'`.execute(
    store.db,
  )
  await until(() => first!.signal.aborted)
  t.equal(runs.length, 1, 'it does not connect again while another holds the lease')
  await sql`update lease set until = now() where name = 'connect:poll'`.execute(store.db)
  await until(() => runs.length === 2)
  t.equal(runs[1]?.active, true)
})

test('events of a stopped instance are refused', async (t) => {
  runs.length = 0
  const store = await withDatabase(t)
  const { host, accepted } = await testHost(t, store, { channels: [polls('a')] })
  await host.start()
  await until(() => runs.length === 1)
  const event = { id: '1', at: 0, type: 'unknown', note: 'x' }
  await runs[0]!.inbox.accept([event])
  t.same(accepted, [{ channel: 'poll', events: [event] }])
  await host.stop()
  await t.rejects(runs[0]!.inbox.accept([event]), { code: 'retryable' })
  t.equal(accepted.length, 1)
})

for (const how of ['throws', 'returns']) {
  test(`a connection that ${how} is made again, and the instance shows it`, async (t) => {
    runs.length = 0
    const store = await withDatabase(t)
    const { host } = await testHost(t, store, { channels: [polls('a', how)] })
    const states: string[] = []
    host.onChange((status) => void states.push(status.state))
    await host.start()
    await until(() => runs.length >= 3)
    t.ok(states.includes('degraded'))
    t.notOk(
      runs.slice(0, -1).some((run) => run.active),
      'never two at a time',
    )
  })
}

test('a connection that never gets ready degrades the instance and holds up nobody', async (t) => {
  runs.length = 0
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, { channels: [polls('a', 'never-ready'), channel('ok', './good.mjs')] })
  await host.start()
  await until(() => host.statuses()[0]?.state === 'degraded')
  t.match(host.statuses()[0]?.message, /not connected/)
  t.equal(host.statuses()[1]?.state, 'running')
})

test('a node without the role worker connects nowhere', async (t) => {
  runs.length = 0
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, { channels: [polls('web')], connects: false })
  await host.start()
  t.equal(host.statuses()[0]?.state, 'running')
  t.equal(runs.length, 0)
})
