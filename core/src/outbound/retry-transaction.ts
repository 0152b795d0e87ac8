import type { Kysely, Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Deadlock and serialization failure: nothing was written, the same work may be done again at once. */
const again: ReadonlySet<string> = new Set(['40P01', '40001'])

export async function inTransaction<T>(db: Kysely<Tables>, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().execute(work)
    } catch (error) {
      if (attempt >= 5 || !again.has(sqlState(error) ?? '')) throw error
    }
  }
}

/** SQLSTATE of a database error, for logs and decisions; undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
