import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** The secret of the installation, made by the database with its first migration. */
export async function readRootKey(db: Kysely<Tables>): Promise<Uint8Array> {
  const row = await db.selectFrom('installation').select('root_key').executeTakeFirstOrThrow()
  return row.root_key
}
