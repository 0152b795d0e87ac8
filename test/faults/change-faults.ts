import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throughline } from '../src/support/cli.js'
import { eventually, pause } from '../src/support/eventually.js'
import { repository } from '../src/support/repository.js'
import { query, urlOf } from './database.js'
import { FORGOTTEN } from './desk.js'
import type { Fault } from './fault.js'
import { during, inWorld } from './nodes.js'
import { startTraffic } from './traffic.js'
import type { World } from './world.js'

const failingFile = new URL('./failing-routing.js', import.meta.url).pathname

/** F13, F24 to F26: restores, rules, configurations, schemas. */
export const changeFaults: readonly Fault[] = [
  {
    id: 'F13',
    what: 'a backup is put back',
    how: 'a backup while nothing is under way, more load, `throughline restore` in place of all that; agents resync and go on, networks repeat into the old state',
    short: false,
    run: (server) =>
      inWorld(server, { id: 'F13' }, async (world, recoveries, broken) => {
        await pause(3_000)
        world.traffic.hold(true)
        await quiet(world)
        const node = world.nodes[0]
        if (!node) return 0
        const file = join(node.workplace.dir, 'backup.tar.gz')
        const cli = (...args: string[]) =>
          throughline([...args, '--config', node.workplace.configFile], {
            env: { DATABASE_URL: urlOf(server, world.database), PORT: '1' },
          })
        const saved = await cli('backup', file)
        if (saved.code !== 0) broken.push(`backup: ${saved.stderr}`)
        // What is lost with the restore by its nature: acknowledged after the backup.
        const forgotten = startTraffic({ url: world.url, name: FORGOTTEN, lanes: 4, paceMs: 50 })
        await pause(3_000)
        await forgotten.stop()
        const before = await epochOf(world)
        await node.term()
        const began = performance.now()
        const restored = await cli('restore', file, '--yes')
        if (restored.code !== 0) broken.push(`restore: ${restored.stderr}`)
        await world.start(0)
        world.traffic.hold(false)
        await eventually('the resync of the agent', () => world.desk.resyncs() > 0, { patienceMs: 60_000 })
        recoveries.push(performance.now() - began)
        await world.probe()
        if ((await epochOf(world)) === before) broken.push('the epoch is the same as before')
        if (world.desk.seen.some((text) => text.startsWith(FORGOTTEN)))
          broken.push('the agent shows what was forgotten')
        await pause(3_000)
        return 1
      }),
  },
  {
    id: 'F24',
    what: 'a routing plugin fails while it runs',
    how: 'a plugin before the rules that throws, never answers, or answers nonsense, one new conversation after the other; each gets its place from the rules',
    short: false,
    run: (server, { seconds }) =>
      inWorld(
        server,
        { id: 'F24', sections: { routing: { failing: { use: failingFile }, rules: { use: 'routing-rules' } } } },
        async (world, recoveries, broken) => {
          const runs = await during(Math.min(seconds, 20), async (n) => {
            await world.traffic.one(`fresh-${n}`)
            await pause(100)
          })
          recoveries.push(await world.probe())
          const unplaced =
            'select 1 from conversation c where not exists (select 1 from work_item w where w.conversation_id = c.id and w.queue is not null)'
          await eventually(
            'a place for every conversation',
            async () => (await query(world.databaseUrl, `${unplaced} limit 1`)).length === 0,
            { patienceMs: 60_000 },
          ).catch(() => broken.push('a conversation has no place'))
          const told = await query(world.databaseUrl, `select 1 from event_log where type = 'plugin.error' limit 1`)
          if (told.length === 0) broken.push('nobody was told of the failing plugin')
          return runs
        },
      ),
  },
  {
    id: 'F25',
    what: 'a broken configuration, broken rules on reload',
    how: 'the files of core/test/config/broken and torn rule files, one after the other over those of the running engine; each is refused with its place, the old ones stay',
    short: false,
    run: (server, { seconds }) =>
      inWorld(server, { id: 'F25' }, async (world, recoveries, broken) => {
        const node = world.nodes[0]
        if (!node) return 0
        const { configFile } = node.workplace
        const folder = join(repository, 'core', 'test', 'config', 'broken')
        const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
        const rules = join(dirname(configFile), 'rules', 'routing.json')
        const good = await readFile(configFile, 'utf8')
        const goodRules = await readFile(rules, 'utf8')
        const refusals = (): number => node.output().split(/is refused|TL_RULES_INVALID/).length - 1
        const refused = async (title: string, file: string, text: string): Promise<void> => {
          const before = refusals()
          await writeFile(file, text)
          await eventually(title, () => refusals() > before, { patienceMs: 10_000 }).catch(() =>
            broken.push(`${title} was not refused`),
          )
        }
        const end = performance.now() + seconds * 1_000
        let runs = 0
        for (const [n, name] of names.entries()) {
          if (performance.now() > end) break
          await refused(name, configFile, await readFile(join(folder, name), 'utf8'))
          if (n % 8 === 0) {
            await refused('a torn rule file', rules, goodRules.slice(0, 40 + n * 10))
            recoveries.push(await world.probe())
            runs++
          }
          runs++
        }
        await writeFile(rules, goodRules)
        await writeFile(configFile, good)
        await pause(1_000)
        if (world.nodes[0] !== node) broken.push('the engine ended')
        await world.traffic.one('after-all-that')
        recoveries.push(await world.probe())
        return runs
      }),
  },
  {
    id: 'F26',
    what: 'a schema that is newer than the release',
    how: 'two nodes under load; columns, an index and a table of a release to come are added, noted as its migration; then both nodes are restarted in turn and go on over it. Two releases at once are not tested: there is one',
    short: false,
    run: (server) =>
      inWorld(server, { id: 'F26', nodes: 2 }, async (world, recoveries, broken) => {
        await pause(2_000)
        for (const table of ['message', 'conversation', 'inbox', 'send', 'event_log'])
          await query(world.databaseUrl, `alter table ${table} add column of_the_next_release jsonb`)
        await query(world.databaseUrl, 'create table next_release (id bigint primary key)')
        await query(
          world.databaseUrl,
          'create index concurrently next_release_idx on message (at, of_the_next_release)',
        ).catch(() => query(world.databaseUrl, 'create index next_release_idx on message (at)'))
        await query(
          world.databaseUrl,
          `insert into kysely_migration (name, timestamp) values ('9999_next_release', now()::text)`,
        )
        recoveries.push(await world.probe())
        for (const n of [0, 1]) {
          const { code } = (await world.nodes[n]?.term()) ?? { code: null }
          if (code !== 0) broken.push(`exit code ${code} after SIGTERM`)
          const node = await world.start(n)
          if (!node.output().includes('migrated by a newer release')) broken.push('the newer schema was not noticed')
          recoveries.push(await world.probe())
        }
        await pause(3_000)
        return 1
      }),
  },
]

async function quiet(world: World): Promise<void> {
  const busy =
    "select 1 from inbox_waiting union all select 1 from outbox union all select 1 from send where state in ('queued', 'sending') limit 1"
  await eventually(
    'nothing under way',
    async () => world.desk.open() === 0 && (await query(world.databaseUrl, busy)).length === 0,
    { patienceMs: 120_000 },
  )
  await pause(500)
}

async function epochOf(world: World): Promise<string | undefined> {
  const [row] = await query<{ epoch: string }>(world.databaseUrl, 'select epoch from installation')
  return row?.epoch
}
