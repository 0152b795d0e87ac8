import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { SequenceNote, TableNote } from './manifest.js'

/** Rows that a migration or a start puts into every database: they do not make it a used one. */
const FILLED_ALWAYS = new Set([
  'installation',
  'event_head',
  'shard',
  'node',
  'lease',
  'sla_cursor',
  'webhook_endpoint',
  'kysely_migration',
  'kysely_migration_lock',
])

export type Target = 'empty' | 'used' | 'foreign'

/** What stands in the database: nothing, an installation's data, or tables that are not ours. */
export async function inspectTarget(client: pg.PoolClient): Promise<Target> {
  const { rows } = await client.query<{ name: string }>(
    `select c.relname as name from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`,
  )
  const names = rows.map((row) => row.name)
  if (names.length === 0) return 'empty'
  if (!names.includes('kysely_migration') || !names.includes('installation')) return 'foreign'
  for (const name of names) {
    if (FILLED_ALWAYS.has(name)) continue
    const found = await client.query(`select 1 from ${client.escapeIdentifier(name)} limit 1`)
    if (found.rowCount !== 0) return 'used'
  }
  return 'empty'
}

/** Hosts of engines that gave a sign of life within this time and did not say goodbye. */
export async function runningEngines(client: pg.PoolClient, silentSeconds: number): Promise<readonly string[]> {
  const { rows } = await client.query<{ host: string }>(
    `select host from node
     where stopped_at is null and heartbeat_at > clock_timestamp() - $1::float8 * interval '1 second'`,
    [silentSeconds],
  )
  return rows.map((row) => row.host)
}

/**
 * Drops what an installation has made: tables, views, sequences, functions and types of `public` that belong to no
 * extension, and the schema of the jobs. Part of the restore's transaction, so a failure brings all of it back.
 */
export async function wipe(client: pg.PoolClient): Promise<void> {
  await client.query('drop schema if exists graphile_worker cascade')
  const { rows } = await client.query<{ statement: string }>(
    `with ours as (
       select c.oid, c.relkind, format('%I.%I', 'public', c.relname) as name, 'pg_class'::regclass as class
       from pg_class c where c.relnamespace = 'public'::regnamespace
     )
     select case relkind when 'S' then 2 else 1 end as turn, case relkind when 'v' then 'drop view if exists ' when 'm' then 'drop materialized view if exists '
                         when 'S' then 'drop sequence if exists ' else 'drop table if exists ' end || name || ' cascade'
              as statement
     from ours
     where relkind in ('r', 'p', 'v', 'm', 'S')
       and not exists (select 1 from pg_depend d where d.classid = ours.class and d.objid = ours.oid and d.deptype = 'e')
     union all
     select 3, format('drop %s if exists %s cascade', case prokind when 'p' then 'procedure' when 'a' then 'aggregate'
                                                   else 'function' end, p.oid::regprocedure)
     from pg_proc p
     where p.pronamespace = 'public'::regnamespace
       and not exists (select 1 from pg_depend d
                       where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
     union all
     select 4, format('drop type if exists public.%I cascade', t.typname)
     from pg_type t
     where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd')
       and not exists (select 1 from pg_depend d
                       where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
     order by 1`,
  )
  for (const { statement } of rows) await client.query(statement)
}

/** Empties the tables that the migrations themselves filled, so that COPY finds room. */
export async function emptyTables(client: pg.PoolClient, tables: readonly string[]): Promise<void> {
  const names = tables.map((name) => client.escapeIdentifier(name)).join(', ')
  if (names !== '') await client.query(`truncate ${names} cascade`)
}

export interface TableCopy {
  write(bytes: Buffer): Promise<void>
  /** Answers the number of rows that went in. */
  end(): Promise<number>
}

/** One COPY for the whole table: a foreign key onto itself is checked at its end. */
export function copyIn(client: pg.PoolClient, table: Pick<TableNote, 'name' | 'columns'>): TableCopy {
  const columns = table.columns.map((name) => client.escapeIdentifier(name)).join(', ')
  const stream = client.query(copyFrom(`copy ${client.escapeIdentifier(table.name)} (${columns}) from stdin`))
  const failed = once(stream, 'error').then(([error]) => Promise.reject(error as Error))
  failed.catch(() => undefined)
  return {
    async write(bytes) {
      if (!stream.write(bytes)) await Promise.race([once(stream, 'drain'), failed])
    },
    async end() {
      const finished = once(stream, 'finish')
      stream.end()
      await Promise.race([finished, failed])
      return stream.rowCount
    },
  }
}

/** Numbers go on where they were, also where the rows that had the last ones are gone. */
export async function setSequences(client: pg.PoolClient, sequences: readonly SequenceNote[]): Promise<void> {
  for (const { name, lastValue } of sequences) {
    if (lastValue === null) continue
    await client.query('select setval($1::regclass, $2::bigint)', [
      `public.${client.escapeIdentifier(name)}`,
      lastValue,
    ])
  }
}

/**
 * What must not be as it was: a new epoch makes every client start over from a snapshot; nodes and claims of the past are
 * nobody's. Answers that were on their way may have left after the backup was made: they are held. Runs in the schema of the
 * backup, so it names only columns that every release had.
 */
export async function settleRestored(client: pg.PoolClient): Promise<{ epoch: string; held: number }> {
  await client.query('update shard set claim_token = null, node_id = null, lease_until = null, in_hand = default')
  await client.query('update lease set node_id = null, token = null, until = clock_timestamp()')
  await client.query('delete from node')
  const { rows } = await client.query<{ epoch: string }>(
    'update installation set epoch = gen_random_uuid() returning epoch',
  )
  return { epoch: rows[0]?.epoch ?? '', held: await holdOutgoing(client) }
}

const HELD = 'It was on its way when the backup was made that has been restored, so it is not known whether it arrived.'

/** Parts on their way become `unknown`, with their messages and an event for each, until somebody tries them again. */
async function holdOutgoing(client: pg.PoolClient): Promise<number> {
  const { rowCount } = await client.query(
    `with held as (
       update send set state = 'unknown', claim_token = null, lease_until = null, settled_at = clock_timestamp(),
         error_code = 'restored', error_message = $1
       where state in ('queued', 'sending') returning id, message_id
     ), settled as (
       update message m set state = 'unknown'
       where m.id in (select message_id from held) and m.state in ('queued', 'sending')
       returning m.id, m.conversation_id, m.channel, m.touchpoint_id
     )
     insert into outbox (type, conversation_id, contact_id, actor_kind, data)
     select 'message.unknown', c.id, c.contact_id, 'system', json_build_object('messageId', s.id, 'channel', s.channel,
       'touchpoint', s.touchpoint_id, 'state', 'unknown', 'version', c.version, 'code', 'restored', 'reason', $1::text)
     from settled s join conversation c on c.id = s.conversation_id`,
    [HELD],
  )
  return rowCount ?? 0
}
