import { test } from 'tap'
import { startEngineProcess } from './support/engine.js'
import { eventually } from './support/eventually.js'
import { rowsOf } from './support/ledger.js'
import { freshDatabaseUrl } from './support/postgres.js'

const value = (text: string, name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])

test('/metrics tells about the process and the work, and about the process also without the database', async (t) => {
  const databaseUrl = await freshDatabaseUrl(t)
  const engine = await startEngineProcess(t, { databaseUrl })
  const read = async (): Promise<string> => (await fetch(`${engine.url}/metrics`)).text()

  const text = await read()
  const heap = value(text, 'nodejs_heap_size_used_bytes')
  t.ok(heap > 10 * 1_024 ** 2 && heap < value(text, 'process_resident_memory_bytes'), `${heap} bytes of heap`)
  t.ok(value(text, 'process_cpu_seconds_total') > 0)
  t.equal(value(text, 'throughline_database_up'), 1)
  t.equal(value(text, 'throughline_inbox_undrained'), 0)
  const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name)
  t.equal(new Set(names).size, names.length, 'each metric is described once')

  const server = new URL(databaseUrl)
  const name = server.pathname.slice(1)
  server.pathname = '/postgres'
  await rowsOf(server.href, `alter database ${name} with allow_connections false`)
  await rowsOf(server.href, 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
  await eventually('the word about the database', async () => value(await read(), 'throughline_database_up') === 0)
  const without = await read()
  t.ok(value(without, 'nodejs_heap_size_used_bytes') > 0)
  t.notMatch(without, 'throughline_inbox_undrained')
})
