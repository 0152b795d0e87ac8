import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { query } from '../database.js'

/** What a database server has used so far. Differences of two readings are what a piece of work cost. */
export interface PostgresUsage {
  /** CPU seconds of the server and all its processes, ended ones included. Linux, server on this machine. */
  readonly cpuS: number
  readonly walBytes: number
  readonly transactions: number
}

export async function postgresUsage(url: string): Promise<PostgresUsage> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number; wal: number; xid: number }>(
      `select pg_backend_pid() as pid, (pg_current_wal_insert_lsn() - '0/0')::float8 as wal,
         (pg_snapshot_xmax(pg_current_snapshot())::text)::float8 as xid`,
    )
    const [row] = rows
    if (row === undefined) throw new Error('PostgreSQL did not answer')
    // While this connection lives, its process names the server's.
    const server = (await processOf(row.pid)).parent
    return { cpuS: await serverCpu(server), walBytes: row.wal, transactions: row.xid }
  } finally {
    await client.end()
  }
}

interface Process {
  readonly parent: number
  readonly cpuS: number
  /** Of children that have ended. */
  readonly endedCpuS: number
}

async function processOf(pid: number): Promise<Process> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = (i: number): number => Number(fields[i]) / 100
  return { parent: Number(fields[1]), cpuS: ticks(11) + ticks(12), endedCpuS: ticks(13) + ticks(14) }
}

async function serverCpu(server: number): Promise<number> {
  const own = await processOf(server)
  let total = own.cpuS + own.endedCpuS
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const one = await processOf(Number(name)).catch(() => null)
    if (one?.parent === server) total += one.cpuS
  }
  return total
}

export interface TableSize {
  readonly table: string
  readonly rows: number
  /** Heap and TOAST. */
  readonly bytes: number
  readonly indexes: Readonly<Record<string, number>>
}

/** Every table of the product and its indexes, rows counted. */
export async function tableSizes(url: string): Promise<readonly TableSize[]> {
  const rows = await query(
    url,
    `select c.relname as table, pg_table_size(c.oid)::float8 as bytes,
       (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I', c.relname), false, true, '')))[1]::text::float8 as rows,
       coalesce((select json_object_agg(i.relname, pg_relation_size(i.oid))
         from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid), '{}') as indexes
     from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by c.relname`,
  )
  return rows.map((row) => ({
    table: String(row['table']),
    rows: Number(row['rows']),
    bytes: Number(row['bytes']),
    indexes: row['indexes'] as Record<string, number>,
  }))
}
