import { createHash } from 'node:crypto'
import type pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import type { SequenceNote, TableNote } from './manifest.js'

/** Kysely's own notes: the migrations write them anew. */
const NOT_OURS = ['kysely_migration', 'kysely_migration_lock']
const CHUNK_BYTES = 4 * 1024 * 1024

export interface Snapshot {
  readonly at: string
  readonly epoch: string
  readonly migrations: readonly string[]
  /** In an order that foreign keys allow: what is pointed at comes first. */
  readonly tables: readonly TableShape[]
}

export interface TableShape {
  readonly name: string
  readonly columns: readonly string[]
}

/**
 * Opens one REPEATABLE READ, READ ONLY transaction: every table as it was at the same moment, while engines go on writing.
 * It takes no locks that a writer waits for; it only keeps dead rows from being vacuumed while it lasts.
 */
export async function beginSnapshot(client: pg.PoolClient): Promise<Snapshot> {
  await client.query('begin isolation level repeatable read, read only')
  const { rows } = await client.query<{ at: Date; epoch: string }>('select now() as at, epoch from installation')
  const applied = await client.query<{ name: string }>('select name from kysely_migration order by name')
  const [installation] = rows
  if (installation === undefined) throw new Error('the table `installation` is empty')
  return {
    at: installation.at.toISOString(),
    epoch: installation.epoch,
    migrations: applied.rows.map((row) => row.name),
    tables: await tablesOf(client),
  }
}

/** Every table of ours with its columns, those that others point at before those that point. Partitions are their parent's. */
export async function tablesOf(client: pg.PoolClient): Promise<readonly TableShape[]> {
  const { rows } = await client.query<{ name: string; columns: string[]; needs: string[] }>(
    `select c.relname as name,
            array(select a.attname::text from pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                  order by a.attnum) as columns,
            array(select distinct t.relname::text from pg_constraint f join pg_class t on t.oid = f.confrelid
                  where f.conrelid = c.oid and f.contype = 'f' and t.oid <> c.oid) as needs
     from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and c.relname <> all ($1)
     order by c.relname`,
    [NOT_OURS],
  )
  const waiting = new Map(rows.map((row) => [row.name, row]))
  const ordered: TableShape[] = []
  while (waiting.size > 0) {
    const ready = [...waiting.values()].filter((row) => !row.needs.some((name) => waiting.has(name)))
    if (ready.length === 0) throw new Error(`foreign keys form a ring: ${[...waiting.keys()].join(', ')}`)
    for (const { name, columns } of ready) {
      waiting.delete(name)
      ordered.push({ name, columns })
    }
  }
  return ordered
}

/** The rows of one table as COPY text, in pieces of a few megabytes, so that memory stays flat. */
export async function copyOut(
  client: pg.PoolClient,
  table: TableShape,
  piece: (bytes: Buffer) => Promise<void>,
): Promise<TableNote> {
  const columns = table.columns.map((name) => client.escapeIdentifier(name)).join(', ')
  const stream = client.query(copyTo(`copy (select ${columns} from ${client.escapeIdentifier(table.name)}) to stdout`))
  const hash = createHash('sha256')
  let waiting: Buffer[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    if (size === 0) return
    const bytes = Buffer.concat(waiting)
    waiting = []
    size = 0
    hash.update(bytes)
    await piece(bytes)
  }
  for await (const bytes of stream as AsyncIterable<Buffer>) {
    waiting.push(bytes)
    size += bytes.byteLength
    if (size >= CHUNK_BYTES) await flush()
  }
  await flush()
  return { ...table, rows: stream.rowCount, sha256: hash.digest('hex') }
}

/** Read last: sequences stand outside of transactions, so whatever the snapshot holds is below these values. */
export async function readSequences(client: pg.PoolClient): Promise<readonly SequenceNote[]> {
  const { rows } = await client.query<{ name: string; value: string | null }>(
    `select sequencename as name, last_value::text as value from pg_sequences where schemaname = 'public' order by 1`,
  )
  return rows.map(({ name, value }) => ({ name, lastValue: value }))
}

/** Keys and sizes of stored files as the snapshot knows them, a page at a time. */
export async function fileKeys(client: pg.PoolClient, after: string, limit: number): Promise<readonly string[]> {
  const { rows } = await client.query<{ key: string }>('select key from file where key > $1 order by key limit $2', [
    after,
    limit,
  ])
  return rows.map((row) => row.key)
}
