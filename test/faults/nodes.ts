import { eventually, pause } from '../src/support/eventually.js'
import { query } from './database.js'
import type { Fault, Outcome } from './fault.js'
import { openWorld, type World, type WorldOptions } from './world.js'

/** Repeats something until the time is over, at least once. */
export async function during(seconds: number, once: (n: number) => Promise<void>): Promise<number> {
  const end = performance.now() + seconds * 1000
  let runs = 0
  do await once(runs++)
  while (performance.now() < end)
  return runs
}

export async function inWorld(
  server: Parameters<Fault['run']>[0],
  options: WorldOptions,
  mischief: (world: World, recoveriesMs: number[], broken: string[]) => Promise<number>,
): Promise<Outcome> {
  const world = await openWorld(server, options)
  try {
    const recoveriesMs: number[] = []
    const broken: string[] = []
    const runs = await mischief(world, recoveriesMs, broken)
    return { runs, verdict: await world.settle(), recoveriesMs, broken }
  } finally {
    await world.scope.end()
  }
}

/** F1 to F5: what happens to nodes. */
export const nodeFaults: readonly Fault[] = [
  {
    id: 'F1',
    what: 'kill -9 of the only node under load',
    how: 'the engine is killed and started again every two seconds or so',
    short: true,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F1' }, (world, recoveries) =>
        during(seconds, async () => {
          await pause(1_500)
          const died = performance.now()
          await world.kill9(0)
          await world.start(0)
          await world.probe()
          recoveries.push(performance.now() - died)
        }),
      ),
  },
  {
    id: 'F2',
    what: 'kill -9 between the call to the network and its record',
    how: 'fail-point deliver.called: the network has the part, the node dies before it is written down',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F2' }, async (world, recoveries, broken) => {
        const runs = await during(seconds, async () => {
          await world.kill9(0)
          const node = await world.start(0, armed('deliver.called=crash@2'))
          process.kill(node.pid, 'SIGUSR2')
          await node.ended
          const died = performance.now()
          await world.start(0)
          await world.probe()
          recoveries.push(performance.now() - died)
        })
        await eventually('the lapsed parts', () => world.provider.repeats() > 0, { patienceMs: 60_000 }).catch(() =>
          broken.push('no part came a second time under its key: the fault was not met'),
        )
        return runs
      }),
  },
  {
    id: 'F3',
    what: 'one of two nodes dies with shards and jobs in hand, and stays away',
    how: 'kill -9 of a worker standing still between claim and commit; the other one takes over',
    short: false,
    run: (server) =>
      inWorld(server, { id: 'F3', nodes: 2 }, async (world, recoveries, broken) => {
        await world.kill9(1)
        const node = await world.start(1, armed('drain.before-commit=pause:600000'))
        process.kill(node.pid, 'SIGUSR2')
        await eventually('the pause', () => node.output().includes('fail-point'), { patienceMs: 60_000 })
        const died = performance.now()
        await world.kill9(1)
        const held = async (): Promise<number> => {
          const [row] = await query<{ n: number }>(
            world.databaseUrl,
            `select (select count(*)::int from shard where claim_token is not null and lease_until < now())
               + (select count(*)::int from graphile_worker.jobs j where locked_by is not null
                  and locked_at < now() - interval '45 s') as n`,
          )
          return row?.n ?? 0
        }
        await eventually('nothing held by the dead', async () => (await held()) === 0, { patienceMs: 90_000 }).catch(
          () => broken.push('claims or jobs of the dead node are still held'),
        )
        await world.traffic.stop()
        await eventually(
          'an empty inbox',
          async () => (await query(world.databaseUrl, 'select 1 from inbox_waiting limit 1')).length === 0,
          { patienceMs: 90_000 },
        )
        recoveries.push(performance.now() - died)
        return 1
      }),
  },
  {
    id: 'F4',
    what: 'a node stands still (SIGSTOP) longer than its leases and comes back',
    how: 'two nodes; one is stopped with work in hand for 45 s, the other takes over, then SIGCONT',
    short: false,
    run: (server) =>
      inWorld(server, { id: 'F4', nodes: 2 }, async (world, recoveries) => {
        const node = world.nodes[1]
        if (!node) return 0
        process.kill(node.pid, 'SIGSTOP')
        // Whoever balances the load notices that it does not answer; here it is taken out at once.
        world.nodes[1] = null
        world.front.cut()
        const stopped = performance.now()
        await world.probe()
        recoveries.push(performance.now() - stopped)
        await pause(45_000)
        process.kill(node.pid, 'SIGCONT')
        world.nodes[1] = node
        await pause(5_000)
        await world.probe()
        return 1
      }),
  },
  {
    id: 'F5',
    what: 'rolling restart with SIGTERM under load',
    how: 'two nodes, ended in good order in turn, one after the other',
    short: true,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F5', nodes: 2 }, async (world, recoveries, broken) => {
        const runs = await during(seconds, async (n) => {
          const node = world.nodes[n % 2]
          if (!node) return
          const asked = performance.now()
          const { code } = await node.term()
          if (code !== 0) broken.push(`exit code ${code} after SIGTERM`)
          await world.probe()
          recoveries.push(performance.now() - asked)
          await world.start(n % 2)
        })
        const burnt = await query<{ n: number }>(
          world.databaseUrl,
          `select (select count(*)::int from inbox_waiting where crashes > 0)
             + (select count(*)::int from send where attempts > 1) as n`,
        )
        if ((burnt[0]?.n ?? 0) > 0) broken.push(`${burnt[0]?.n} attempts were used up by stops`)
        return runs
      }),
  },
]

export function armed(points: string): Readonly<Record<string, string>> {
  return { NODE_ENV: 'test', THROUGHLINE_FAIL_POINTS: points }
}
