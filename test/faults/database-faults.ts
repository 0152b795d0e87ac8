import { pause } from '../src/support/eventually.js'
import { query } from './database.js'
import type { Fault } from './fault.js'
import { armed, during, inWorld } from './nodes.js'
import type { World } from './world.js'

/** F6 to F11 and F22: what happens to PostgreSQL and to the lines that lead there. */
export const databaseFaults: readonly Fault[] = [
  {
    id: 'F6',
    what: 'PostgreSQL crashes and comes back',
    how: 'immediate shutdown of the server under load, again and again, on the same port',
    short: true,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F6' }, (world, recoveries) =>
        during(seconds, async () => {
          await pause(2_000)
          await server.crash()
          recoveries.push(await world.probe())
        }),
      ),
  },
  {
    id: 'F7',
    what: 'the network between node and PostgreSQL fails',
    how: 'proxy: connections reset, refused for 3 s, stalled for 3 s, late by 40 ms, swallowed for 5 s, in turn',
    short: true,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F7' }, (world, recoveries) =>
        during(seconds, async (n) => {
          await pause(1_000)
          await partitions[n % partitions.length]?.(world)
          recoveries.push(await world.probe())
        }),
      ),
  },
  {
    id: 'F8',
    what: 'the LISTEN connection is lost without a word',
    how: 'pg_terminate_backend of exactly that session of the node',
    short: true,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F8' }, async (world, recoveries, broken) => {
        let ended = 0
        const runs = await during(Math.min(seconds, 15), async () => {
          await pause(500)
          const rows = await query(
            world.databaseUrl,
            `select pg_terminate_backend(pid) from pg_stat_activity
             where application_name like 'throughline-listen%' and datname = current_database()`,
          )
          ended += rows.length
          recoveries.push(await world.probe())
        })
        if (ended === 0) broken.push('there was no LISTEN connection to end')
        return runs
      }),
  },
  {
    id: 'F9',
    what: 'NOTIFY cannot be committed',
    how: 'a session that listens inside an open transaction while the queue of PostgreSQL is small is too slow to bring about here; instead the sequencer’s function is made to fail for 3 s',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F9' }, (world, recoveries) =>
        during(Math.min(seconds, 20), async () => {
          await query(
            world.databaseUrl,
            `create or replace function fail_notify() returns trigger language plpgsql as
               $$ begin raise exception 'too many notifications in the NOTIFY queue' using errcode = '54000'; end $$;
             create or replace trigger fail_notify before insert on event_log execute function fail_notify()`,
          )
          await pause(3_000)
          await query(world.databaseUrl, 'drop trigger fail_notify on event_log')
          recoveries.push(await world.probe())
        }),
      ),
  },
  {
    id: 'F10',
    what: 'two sequencers',
    how: 'two nodes under load; one stands still for 2 s on each side of the move, the other goes on',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F10', nodes: 2 }, (world, recoveries) =>
        during(Math.min(seconds, 20), async (n) => {
          await world.kill9(1)
          const point = n % 2 === 0 ? 'sequencer.before-move' : 'sequencer.moved'
          const node = await world.start(1, armed(`${point}=pause:2000@5`))
          process.kill(node.pid, 'SIGUSR2')
          await pause(3_000)
          recoveries.push(await world.probe())
        }),
      ),
  },
  {
    id: 'F11',
    what: 'a transaction commits late, after others with later numbers',
    how: 'fail-point work.before-commit: one node holds an act on work open for 8 s while another goes on',
    short: false,
    run: (server) =>
      inWorld(server, { id: 'F11', nodes: 2 }, async (world, recoveries, broken) => {
        await world.kill9(1)
        const node = await world.start(1, armed('work.before-commit=pause:8000,drain.before-commit=pause:8000'))
        process.kill(node.pid, 'SIGUSR2')
        await pause(12_000)
        if (!node.output().includes('fail-point')) broken.push('nothing was held open')
        recoveries.push(await world.probe())
        return 1
      }),
  },
  {
    id: 'F22',
    what: 'the disk of PostgreSQL is full',
    how: 'every insert into the inbox and every new message fails with disk_full (53100) for 4 s; nothing is answered 2xx meanwhile',
    short: true,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F22' }, (world, recoveries, broken) =>
        during(Math.min(seconds, 15), async (n) => {
          const table = n % 2 === 0 ? 'inbox' : 'message'
          await query(
            world.databaseUrl,
            `create or replace function disk_full() returns trigger language plpgsql as
               $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
             create or replace trigger disk_full before insert on ${table} execute function disk_full()`,
          )
          const before = world.traffic.retried()
          await pause(4_000)
          if (table === 'inbox' && world.traffic.retried() === before)
            broken.push('events were answered 2xx without a disk')
          await query(world.databaseUrl, `drop trigger disk_full on ${table}`)
          recoveries.push(await world.probe())
        }),
      ),
  },
]

const partitions: readonly ((world: World) => Promise<void>)[] = [
  async (world) => {
    for (let i = 0; i < 5; i++) {
      world.line.cut()
      await pause(300)
    }
  },
  async (world) => {
    world.line.refuse(true)
    await pause(3_000)
    world.line.refuse(false)
  },
  async (world) => {
    world.line.stall(true)
    await pause(3_000)
    world.line.stall(false)
  },
  async (world) => {
    world.line.delay(40)
    await pause(3_000)
    world.line.delay(0)
  },
  async (world) => {
    world.line.blackhole(true)
    await pause(5_000)
    world.line.blackhole(false)
  },
]
