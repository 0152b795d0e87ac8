import { randomUUID } from 'node:crypto'
import { test, type Test } from 'tap'
import { FallbackWire } from '../../src/events/fallback-wire.js'
import { createNotifyWire } from '../../src/events/notify-wire.js'
import { insertOutbox, sequenceOutbox } from '../../src/events/outbox-store.js'
import type { Heard, Wire } from '../../src/events/wire.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { silent } from '../support/pipeline.js'

/** A bus that can be taken away. */
class FakeBus implements Wire {
  connected = true
  readonly said: string[] = []
  start = (): Promise<void> => Promise.resolve()
  stop = (): Promise<void> => Promise.resolve()
  moved = (): void => void this.said.push('moved')
  publish = (payload: string): void => void this.said.push(payload)
}

function nodeOf(t: Test, store: Store) {
  const bus = new FakeBus()
  const ephemeral: string[] = []
  const events: number[] = []
  const heard: Heard = { events: (position) => events.push(position), ephemeral: (payload) => ephemeral.push(payload) }
  const second = () => createNotifyWire({ db: store.db, url: store.url, log: silent }, heard)
  const wire = new FallbackWire({ first: bus, second, log: silent, lookMs: 5 })
  t.teardown(() => wire.stop())
  return { bus, wire, ephemeral, events }
}

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  for (let tries = 0; tries < 1000; tries++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${what} did not come about within 10 s`)
}

test('while the bus is away hints go by LISTEN and NOTIFY, and when it is back they are left alone', async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [nodeOf(t, store), nodeOf(t, store)]
  const listening = async (): Promise<number> => {
    const { rows } = await store.pool.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and application_name like 'throughline-listen%'`,
    )
    return rows[0]!.n
  }
  await Promise.all([one.wire.start(), two.wire.start()])
  one.wire.publish('over the bus')
  one.wire.moved()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(await listening(), 0)
  t.same(one.bus.said, ['over the bus', 'moved'])
  t.ok(one.wire.quiet)

  one.bus.connected = two.bus.connected = false
  await until('listening', async () => (await listening()) === 2 && one.wire.connected && two.wire.connected)
  t.notOk(one.wire.quiet, 'the sequencer tells by NOTIFY now')
  one.wire.publish('past the bus')
  await until('the ephemeral message', () => two.ephemeral.length > 0)
  t.same(two.ephemeral, ['past the bus'])
  two.events.length = 0
  await store.db
    .transaction()
    .execute((trx) =>
      insertOutbox(trx, [
        { type: 'contact.created', contact: randomUUID(), actor: { kind: 'system', id: null }, data: {} },
      ]),
    )
  const [moved] = await sequenceOutbox(store.db, 10, one.wire.quiet)
  await until('the hint', () => two.events.includes(moved!.position))

  one.bus.connected = two.bus.connected = true
  await until('no connection that listens', async () => (await listening()) === 0)
  one.wire.publish('over the bus again')
  t.equal(one.bus.said.at(-1), 'over the bus again')
  t.equal(two.ephemeral.length, 1)
})

test('a bus that is away for one look opens no connection', async (t) => {
  let made = 0
  const bus = new FakeBus()
  const second = (): Wire => {
    made += 1
    return new FakeBus()
  }
  const wire = new FallbackWire({ first: bus, second, log: silent, lookMs: 2 ** 30 })
  await wire.start()
  bus.connected = false
  t.equal(wire.connected, false)
  wire.publish('x')
  t.same(bus.said, ['x'], 'the bus may still take it')
  await wire.stop()
  t.equal(made, 0)
})
