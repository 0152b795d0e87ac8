import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { createLeaseStore, type LeaseStore } from '../../src/jobs/lease-store.js'
import { createLeases } from '../../src/jobs/leases.js'
import { createPeriodic } from '../../src/jobs/periodic.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'

const never = new AbortController().signal
const log = silentLog as any

test('one node at a time holds a lease, and the next one gets it after the release', async (t) => {
  const store = createLeaseStore((await withDatabase(t)).db)
  const a = createLeases({ store, node: randomUUID() })
  const b = createLeases({ store, node: randomUUID() })
  let inside = 0
  const held = await a.whileHeld('x', { signal: never }, async () => {
    inside += 1
    t.equal(await b.whileHeld('x', { signal: never }, async () => void t.fail('two at a time')), false)
    t.equal(await b.whileHeld('y', { signal: never }, async () => void (inside += 1)), true)
  })
  t.equal(held, true)
  t.equal(await b.whileHeld('x', { signal: never }, async () => void (inside += 1)), true)
  t.equal(inside, 3)
})

test('whoever lost the lease is told, can neither renew it nor take it from the next holder', async (t) => {
  const { db } = await withDatabase(t)
  const store = createLeaseStore(db)
  const a = createLeases({ store, node: randomUUID() })
  const b = createLeases({ store, node: randomUUID() })
  await a.whileHeld('x', { ttlMs: 300, signal: never }, async (signal) => {
    // What the others see after this node slept: the time is over by the database's clock.
    await sql`update lease set until = now() - interval '1 s'`.execute(db)
    const tookOver = new Promise<void>((resolve, reject) => {
      b.whileHeld('x', { signal: never }, async (mine) => {
        if (!signal.aborted) await new Promise((told) => signal.addEventListener('abort', told, { once: true }))
        t.equal(mine.aborted, false, 'the new holder keeps it')
        resolve()
      }).catch(reject)
    })
    await tookOver
    t.equal(signal.aborted, true)
  })
})

test('a holder that cannot reach the database lets go when its time is over', async (t) => {
  const offline: LeaseStore = {
    acquire: () => Promise.resolve(true),
    renew: () => new Promise(() => undefined),
    release: () => Promise.reject(new Error('offline')),
    releaseAllOf: () => Promise.resolve(),
  }
  const hanging = { ...offline, renew: () => Promise.reject(new Error('offline')) }
  await createLeases({ store: hanging, node: randomUUID() }).whileHeld(
    'x',
    { ttlMs: 120, signal: never },
    async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      t.ok(signal.aborted)
    },
  )
})

test('a failing run gives the lease back and its error to the caller', async (t) => {
  const store = createLeaseStore((await withDatabase(t)).db)
  const leases = createLeases({ store, node: randomUUID() })
  await t.rejects(
    leases.whileHeld('x', { signal: never }, () => Promise.reject(new Error('boom'))),
    { message: 'boom' },
  )
  t.equal(await leases.whileHeld('x', { signal: never }, async () => undefined), true)
})

test('periodic work runs on one of two nodes at a time, never overlaps itself, and survives an error', async (t) => {
  const store = createLeaseStore((await withDatabase(t)).db)
  const nodes = [0, 1].map(() => createPeriodic({ leases: createLeases({ store, node: randomUUID() }), log }))
  let active = 0
  let most = 0
  let runs = 0
  await new Promise<void>((enough) => {
    for (const node of nodes) {
      node.every('tick', 30, async () => {
        most = Math.max(most, ++active)
        await delay(15)
        active -= 1
        if (++runs === 8) enough()
        if (runs % 2) throw new Error('now and then')
      })
    }
  })
  await Promise.all(nodes.map((node) => node.stop()))
  t.equal(most, 1)
  t.equal(active, 0, 'the stop waits for the run')
})

test('work that another node did a moment ago is not due here', async (t) => {
  const { db } = await withDatabase(t)
  const store = createLeaseStore(db)
  const leases = createLeases({ store, node: randomUUID() })
  const due = { dueMs: 3_600_000, signal: never }
  t.equal(await leases.whileHeld('every:x', due, async () => undefined), true)
  t.equal(await leases.whileHeld('every:x', due, async () => undefined), false)
  await sql`update lease set last_run_at = now() - interval '2 hours'`.execute(db)
  t.equal(await leases.whileHeld('every:x', due, async () => undefined), true)
})
