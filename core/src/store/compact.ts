import { sql, type Kysely } from 'kysely'
import type { Tables } from './tables.js'

/** A few rows each, updated all the time. */
const heads = ['shard', 'lease', 'node', 'event_head', 'sla_cursor', 'analytics_cursor', 'agent_load', 'channel_limit']

const MOST_BYTES = 256 * 1024
const FEW_ROWS = 500
const PATIENCE_MS = 300

/**
 * Writes those of the small tables anew that have become long: while a transaction stays open for a while (a dump, a node
 * that stands still) no dead row can be cleared, and afterwards the living ones stand all over a file that vacuum cannot
 * shorten. Answers their names.
 *
 * Lock: ACCESS EXCLUSIVE on one table for the few milliseconds that its rows take, waited for 300 ms at most; not taken while
 * dead rows cannot be cleared, because writing them anew would take long and help nothing.
 */
export async function compactHeads(db: Kysely<Tables>, most = MOST_BYTES): Promise<readonly string[]> {
  const compacted: string[] = []
  for (const table of await longOnes(db, most)) {
    // Clears what can be cleared, and counts the rest.
    await sql`vacuum ${sql.table(table)}`.execute(db)
    if (!(await isNearlyEmpty(db, table))) continue
    const done = await db.connection().execute(async (one) => {
      await sql`select set_config('lock_timeout', ${String(PATIENCE_MS)}, false)`.execute(one)
      try {
        await sql`vacuum (full) ${sql.table(table)}`.execute(one)
        return true
      } catch (error) {
        if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return false
        throw error
      } finally {
        await sql`reset lock_timeout`.execute(one)
      }
    })
    if (done) compacted.push(table)
  }
  return compacted
}

const LOCK_NOT_AVAILABLE = '55P03'

async function longOnes(db: Kysely<Tables>, most: number): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relname = any(${heads}::text[]) and relkind = 'r' and pg_table_is_visible(oid)
      and pg_total_relation_size(oid) > ${most}::bigint
    order by relname`.execute(db)
  return rows.map(({ name }) => name)
}

/** By the counts of the vacuum before. */
async function isNearlyEmpty(db: Kysely<Tables>, table: string): Promise<boolean> {
  const { rows } = await sql<{ few: boolean }>`
    select n_live_tup + n_dead_tup < ${FEW_ROWS}::int as few from pg_stat_user_tables
    where relid = ${table}::regclass`.execute(db)
  return rows[0]?.few === true
}
