import type { Kysely, Transaction } from 'kysely'
import type { EventWriter, NewEvent } from '../events/contract.js'
import { failPoint } from '../store/fail-point.js'
import type { Tables } from '../store/tables.js'
import { inTransaction } from '../store/transaction.js'
import type { Within } from './contract.js'

/**
 * LOCK ORDER of everything in this folder, and of everybody who calls it with a transaction of their own:
 *
 *   agent_presence → conversation → work_item (by id) → offer → agent_load (by agent)
 *
 * A transaction may skip steps, never go back. The conversation's lock is taken where its row changes (accept, transfer,
 * release, complete, claim); offers come and go under the lock of the item alone.
 */
export interface TransactDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
}

/** Deadlock and serialization failure. Callers outside this folder may lock in another order by mistake: try again. */
const RETRYABLE = new Set(['40P01', '40001'])
const TRIES = 4

/** One act: effect, events and the caller's own rows in one transaction; readers are told after the commit. */
export async function transact<T>(
  deps: TransactDeps,
  act: (trx: Transaction<Tables>, emit: (events: readonly NewEvent[]) => void) => Promise<T>,
  within?: Within,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      const events: NewEvent[] = []
      const result = await inTransaction(deps.db, async (trx, last) => {
        const value = await act(trx, (more) => events.push(...more))
        const told = events.length > 0 ? deps.events.append(trx, events) : null
        if (told !== null) last(told)
        if (within !== undefined) await within(trx)
        if (told !== null && failPoint !== null) {
          await told
          await failPoint('work.before-commit')
        }
        return value
      })
      if (events.length > 0) {
        await failPoint?.('work.committed')
        deps.events.poke()
      }
      return result
    } catch (error) {
      const { code } = error as { code?: string }
      if (tries >= TRIES || code === undefined || !RETRYABLE.has(code)) throw error
    }
  }
}
