import type { Kysely, Transaction } from 'kysely'
import type { Tables } from './tables.js'
import { inTransaction } from './transaction.js'

/** Deadlock and serialization failure: nothing was written, the same work may be done again at once. */
const again: ReadonlySet<string> = new Set(['40P01', '40001'])
const TRIES = 5

/** One transaction, done again where PostgreSQL took it back. `work` must not have effects outside of it. */
export async function retryTransaction<T>(
  db: Kysely<Tables>,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await inTransaction(db, (trx) => work(trx))
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (tries >= TRIES || typeof code !== 'string' || !again.has(code)) throw error
    }
  }
}
