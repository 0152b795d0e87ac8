import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { createJobs, type JobSystem } from '../../src/jobs/jobs.js'
import { createNodeStore } from '../../src/jobs/node-store.js'
import type { Store } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'
import { withDatabase } from '../support/database.js'

const log = silentLog as any

function system(store: Store, roles = ['web', 'worker']): JobSystem {
  return createJobs({
    store,
    node: { id: randomUUID(), host: 'test', roles, release: '0', process: null },
    log,
    pollMs: 100,
  })
}

/** Waits for a condition; the test's own time limit is the only clock. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20)
}

const waiting = async (store: Store): Promise<number> =>
  (await sql<{ n: number }>`select count(*) as n from graphile_worker.jobs`.execute(store.db)).rows[0]!.n

test('a job added in a transaction runs after the commit and never after a rollback', async (t) => {
  const store = await withDatabase(t)
  const jobs = system(store)
  const seen: unknown[] = []
  jobs.task('note', async (payload) => void seen.push(payload))
  t.teardown(() => jobs.stop())
  await jobs.start()
  await t.rejects(
    store.db.transaction().execute(async (trx) => {
      await jobs.add(trx, [{ task: 'note', payload: { n: 'rolled back' } }])
      throw new Error('no')
    }),
  )
  await store.db.transaction().execute((trx) =>
    jobs.add(trx, [
      { task: 'note', payload: { n: 1 } },
      { task: 'note', payload: { n: 2 } },
    ]),
  )
  await until(() => seen.length >= 2)
  await until(async () => (await waiting(store)) === 0)
  t.same(seen.map((p: any) => p.n).sort(), [1, 2])
})

test('a key dedupes while the job waits, also within one call, and keepRunAt keeps the time', async (t) => {
  const store = await withDatabase(t)
  const jobs = system(store)
  const later = new Date(Date.now() + 3_600_000)
  const latest = new Date(Date.now() + 7_200_000)
  await jobs.addNow([
    { task: 'x', key: 'a', runAt: later, payload: 1 },
    { task: 'x', key: 'a', runAt: later, payload: 2 },
  ])
  await jobs.addNow([{ task: 'x', key: 'a', runAt: latest, payload: 3, keepRunAt: true }])
  const kept = await sql<{ run_at: Date }>`select run_at from graphile_worker.jobs`.execute(store.db)
  t.equal(kept.rows.length, 1)
  t.equal(kept.rows[0]?.run_at.getTime(), later.getTime())
  await jobs.addNow([{ task: 'x', key: 'a', runAt: latest, payload: 4 }])
  const moved = await sql<{ run_at: Date }>`select run_at from graphile_worker.jobs`.execute(store.db)
  t.equal(moved.rows[0]?.run_at.getTime(), latest.getTime())
})

test('two callers adding the same keys in opposite order do not deadlock', async (t) => {
  const store = await withDatabase(t)
  const jobs = system(store)
  const keys = Array.from({ length: 20 }, (_, i) => ({ task: 'x', key: `k${i}` }))
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      store.db.transaction().execute((trx) => jobs.add(trx, i % 2 ? keys : [...keys].reverse())),
    ),
  )
  t.equal(await waiting(store), 20)
})

test('jobs go on after the database cut every connection in the middle of a job', async (t) => {
  const store = await withDatabase(t)
  const jobs = system(store)
  const done = new Map<number, number>()
  jobs.task('slow', async (payload) => {
    const { n } = payload as { n: number }
    if (n === 0 && !done.has(0)) {
      // The job ends while its pool has no connection left: the completion is what fails.
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`
        .execute(store.db)
        .catch(() => undefined)
    }
    done.set(n, (done.get(n) ?? 0) + 1)
  })
  t.teardown(() => jobs.stop())
  await jobs.start()
  for (let round = 0; round < 3; round++) {
    done.delete(0)
    await until(async () =>
      jobs.addNow([{ task: 'slow', payload: { n: 0 } }]).then(
        () => true,
        () => false,
      ),
    )
    await until(() => done.has(0))
    const n = round + 1
    await until(async () =>
      jobs.addNow([{ task: 'slow', payload: { n } }]).then(
        () => true,
        () => false,
      ),
    )
    await until(() => done.has(n))
  }
  await until(async () => (await waiting(store).catch(() => 1)) === 0)
  t.ok(done.has(3), 'the runner was replaced and took new work, and nothing stayed locked')
})

test('a stop that comes at any moment of the start leaves no pool behind', async (t) => {
  const store = await withDatabase(t)
  const ran: string[] = []
  for (let ms = 0; ms < 60; ms += 6) {
    const jobs = system(store)
    jobs.task('x', async () => void ran.push('x'))
    const starting = jobs.start()
    await delay(ms)
    await jobs.stop()
    await starting
  }
  await until(async () => {
    const { rows } = await sql`
      select 1 from pg_stat_activity
      where datname = current_database() and query like 'LISTEN "jobs:insert"%'`.execute(store.db)
    return rows.length === 0
  })
  await system(store).addNow([{ task: 'x' }])
  await delay(300)
  t.equal(await waiting(store), 1, 'nobody is left who would take a job')
  t.same(ran, [])
})

test('a pool that cannot record a finished job is replaced, and the job runs again instead of staying locked', async (t) => {
  const store = await withDatabase(t)
  // The first completion fails the way a cut connection does; sequences do not roll back, so only the first.
  await sql`create sequence completions`.execute(store.db)
  await sql`
    create function fail_once() returns trigger language plpgsql as $$
    begin
      if nextval('completions') = 1 then raise exception 'cut' using errcode = '57P01'; end if;
      return old;
    end $$`.execute(store.db)
  await sql`create trigger fail_once before delete on graphile_worker._private_jobs for each row execute function fail_once()`.execute(
    store.db,
  )
  const warnings: string[] = []
  const watching = { ...log, warn: (_fields: object, message: string) => void warnings.push(message) }
  const jobs = createJobs({
    store,
    node: { id: randomUUID(), host: 'test', roles: ['worker'], release: '0', process: null },
    log: watching,
    pollMs: 100,
  })
  let runs = 0
  jobs.task('twice', async () => void (runs += 1))
  t.teardown(() => jobs.stop())
  await jobs.start()
  await jobs.addNow([{ task: 'twice' }])
  await until(async () => runs >= 2 && (await waiting(store)) === 0)
  t.equal(runs, 2)
  t.match(warnings, ['the job runner stopped; it is started again'])
})

test('the jobs of a silent node are handed to the others, and a node that wakes up is alive again', async (t) => {
  const store = await withDatabase(t)
  const dead = { id: randomUUID(), host: 'dead', roles: ['worker'], release: '0', process: null }
  const nodes = createNodeStore(store.db)
  await nodes.beat(dead, 'pool-dead')
  const jobs = system(store)
  await jobs.addNow([{ task: 'x' }])
  await sql`update graphile_worker._private_jobs set locked_by = 'pool-dead', locked_at = now()`.execute(store.db)
  t.same(await nodes.reap(30_000), [], 'a node that beats is left alone')
  await sql`update node set heartbeat_at = now() - interval '31 s'`.execute(store.db)
  t.same(await nodes.reap(30_000), [dead.id])
  const { rows } = await sql<{ locked_by: string | null }>`select locked_by from graphile_worker.jobs`.execute(store.db)
  t.equal(rows[0]?.locked_by, null)
  await nodes.beat(dead, 'pool-new')
  const row = await store.db.selectFrom('node').selectAll().where('id', '=', dead.id).executeTakeFirstOrThrow()
  t.equal(row.stopped_at, null)
  t.equal(row.pool_id, 'pool-new')
})

test('jobs locked by a pool that no node knows are freed', async (t) => {
  const store = await withDatabase(t)
  await system(store).addNow([{ task: 'x' }])
  await sql`update graphile_worker._private_jobs set locked_by = 'pool-unknown', locked_at = now() - interval '1 minute'`.execute(
    store.db,
  )
  await createNodeStore(store.db).reap(30_000)
  const { rows } = await sql<{ locked_by: string | null }>`select locked_by from graphile_worker.jobs`.execute(store.db)
  t.equal(rows[0]?.locked_by, null)
})

test("graphile's task numbers start again before they run out", async (t) => {
  const store = await withDatabase(t)
  const jobs = system(store)
  await jobs.addNow([{ task: 'x' }])
  await sql`select setval(pg_get_serial_sequence('graphile_worker._private_tasks', 'id'), 2000000000)`.execute(store.db)
  await createNodeStore(store.db).reap(30_000)
  await jobs.addNow([{ task: 'y' }])
  const { rows } = await sql<{ id: number }>`select max(id) as id from graphile_worker._private_tasks`.execute(store.db)
  t.ok(rows[0]!.id < 100)
  t.equal(await waiting(store), 2)
})

test('a stop interrupts running jobs, burns none of their attempts, and leaves them for the next node', async (t) => {
  const store = await withDatabase(t)
  const first = system(store)
  const started = new Promise<void>((resolve) => {
    first.task('long', async (_payload, signal) => {
      resolve()
      await delay(60_000, undefined, { signal })
    })
  })
  await first.start()
  await first.addNow([{ task: 'long', payload: { a: 1 }, key: 'the-key' }])
  await started
  await first.stop()
  const { rows } = await sql<any>`select key, attempts, locked_by from graphile_worker.jobs`.execute(store.db)
  t.same(rows, [{ key: 'the-key', attempts: 0, locked_by: null }])
  const second = system(store)
  const got = new Promise<unknown>((resolve) => second.task('long', async (payload) => resolve(payload)))
  t.teardown(() => second.stop())
  await second.start()
  t.same(await got, { a: 1 })
})

test('a node without the role worker adds jobs and runs none', async (t) => {
  const store = await withDatabase(t)
  const web = system(store, ['web'])
  const worker = system(store, ['worker'])
  const ran: string[] = []
  web.task('x', async () => void ran.push('web'))
  worker.task('x', async () => void ran.push('worker'))
  t.teardown(() => Promise.all([web.stop(), worker.stop()]).then(() => undefined))
  await web.start()
  await worker.start()
  await web.addNow([{ task: 'x' }])
  await until(() => ran.length > 0)
  t.same(ran, ['worker'])
})
