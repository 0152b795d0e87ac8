import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

export interface StoredResult {
  readonly hash: Buffer
  readonly result: unknown
}

export async function findResult(db: Kysely<Tables>, agent: string, id: string): Promise<StoredResult | null> {
  const { rows } = await sql<StoredResult>`
    select request_hash as hash, result from command_dedupe where agent_id = ${agent} and command_id = ${id}`.execute(
    db,
  )
  return rows[0] ?? null
}

/**
 * Idempotency key: (agent, command id). Inside the transaction of the effect: a second run of the same command fails here
 * (23505) and takes its effect back with it.
 */
export async function insertResult(
  db: Kysely<Tables> | Transaction<Tables>,
  row: { readonly agent: string; readonly id: string; readonly hash: Buffer; readonly result: unknown },
): Promise<void> {
  await sql`
    insert into command_dedupe (agent_id, command_id, request_hash, result)
    values (${row.agent}, ${row.id}, ${row.hash}, ${JSON.stringify(row.result ?? {})}::json)`.execute(db)
}

/** Kept for at least a day. */
export async function pruneResults(db: Kysely<Tables>): Promise<void> {
  await sql`delete from command_dedupe where at < now() - interval '2 days'`.execute(db)
}
