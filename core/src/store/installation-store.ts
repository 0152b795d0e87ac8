import { sql, type Kysely } from 'kysely'
import type { Tables } from './tables.js'

/** What the first migration fixed for good: the secret everything is signed with, and the number of shards. */
export async function readInstallation(
  db: Kysely<Tables>,
): Promise<{ readonly rootKey: Uint8Array; readonly shards: number }> {
  const row = await db.selectFrom('installation').select(['root_key', 'shards']).executeTakeFirstOrThrow()
  return { rootKey: row.root_key, shards: row.shards }
}

/** Throws when the database does not answer. */
export async function ping(db: Kysely<Tables>): Promise<void> {
  await sql`select 1`.execute(db)
}
