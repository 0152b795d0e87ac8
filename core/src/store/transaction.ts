import { CompiledQuery, Kysely, PostgresDialect, Transaction, type DatabaseConnection, type Driver } from 'kysely'
import type { Tables } from './tables.js'

const begin = CompiledQuery.raw('begin')
const beginGeneric = CompiledQuery.raw('begin; set local plan_cache_mode = force_generic_plan')
const commit = CompiledQuery.raw('commit')
const rollback = CompiledQuery.raw('rollback')

/**
 * `generic`: statements are not planned anew for the values at hand. For sets that travel as arrays PostgreSQL would do so at
 * every call, because it knows an array's length only then; finding rows by their ids needs no such knowledge.
 */
export interface TransactionOptions {
  readonly plans?: 'generic'
}

/** What every statement is answered after one before it failed. */
const ABORTED = '25P02'

/**
 * One transaction whose statements may be under way together: what is called without waiting for the answer of the one before
 * goes out behind it at once, in the order of the calls, and costs no round trip of its own. (Kysely's own transactions
 * send a statement only after the answer of the last.) `begin` is such a statement always. Everything sent must be awaited
 * in the end: by `work`, or, where only its failure matters, by handing it to `last`, which the commit follows without
 * waiting. Where such a statement fails the server takes the whole transaction back, and its error is thrown here.
 */
export async function inTransaction<T>(
  db: Kysely<Tables>,
  work: (trx: Transaction<Tables>, last: (sent: Promise<unknown>) => void) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const executor = db.getExecutor()
  return executor.provideConnection(async (connection) => {
    let cause: unknown
    const watched: DatabaseConnection = {
      executeQuery<R>(query: CompiledQuery) {
        const answer = connection.executeQuery<R>(query)
        // Answers come in the order of the statements, but who awaits them need not hear of them in that order.
        answer.catch((error: unknown) => (cause ??= error))
        return answer
      },
      streamQuery: (query, size) => connection.streamQuery(query, size),
    }
    const unqueued = executor.withConnectionProvider({ provideConnection: (consumer) => consumer(watched) })
    const trx = new Transaction<Tables>({ config: { dialect }, dialect, driver, executor: unqueued })
    const sent: Promise<unknown>[] = []
    const send = (one: Promise<unknown>): void => {
      // Looked at below; until then a failure must not count as unhandled.
      one.catch(() => undefined)
      sent.push(one)
    }
    try {
      let result: T
      try {
        send(watched.executeQuery(options.plans === 'generic' ? beginGeneric : begin))
        result = await work(trx, send)
      } catch (error) {
        await connection.executeQuery(rollback).catch(() => undefined)
        throw error
      }
      // PostgreSQL answers `rollback` to the commit of a transaction in which a statement failed, and that is no error.
      send(watched.executeQuery(commit))
      for (const one of sent) await one
      return result
    } catch (error) {
      throw (error as { code?: unknown }).code === ABORTED ? (cause ?? error) : error
    }
  })
}

/**
 * One connection for statements that go out together, each a transaction of its own: what is called second is executed when
 * the first is committed, and nobody waits between.
 */
export async function onOneConnection<T>(db: Kysely<Tables>, work: (one: Kysely<Tables>) => Promise<T>): Promise<T> {
  const executor = db.getExecutor()
  return executor.provideConnection((connection) => {
    const unqueued = executor.withConnectionProvider({ provideConnection: (consumer) => consumer(connection) })
    return work(new Kysely<Tables>({ config: { dialect }, dialect, driver, executor: unqueued }))
  })
}

/** A Transaction asks for them and uses neither: its executor has the connection. */
const dialect = new PostgresDialect({ pool: () => Promise.reject(new Error('a transaction opens no connection')) })
const driver: Driver = dialect.createDriver()
