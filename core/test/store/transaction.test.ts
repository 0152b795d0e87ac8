import { sql } from 'kysely'
import { test } from 'tap'
import { inTransaction } from '../../src/store/transaction.js'
import { withDatabase } from '../support/database.js'

async function table(t: Parameters<typeof withDatabase>[0]) {
  const store = await withDatabase(t)
  await store.pool.query('create table told (n int primary key, at int)')
  const told = async (): Promise<number[]> => {
    const { rows } = await store.pool.query<{ n: number }>('select n from told order by n')
    return rows.map((row) => row.n)
  }
  return { ...store, told }
}

test('statements sent together run in the order of the calls, in one transaction', async (t) => {
  const { db, told } = await table(t)
  const seen = await inTransaction(db, async (trx, last) => {
    const [first, second] = await Promise.all([
      sql<{ id: string }>`insert into told values (1) returning pg_current_xact_id()::text as id`.execute(trx),
      sql<{ n: number; id: string }>`select count(*)::int as n, pg_current_xact_id()::text as id from told`.execute(
        trx,
      ),
    ])
    last(sql`insert into told values (2)`.execute(trx))
    last(
      trx
        .insertInto('told' as never)
        .values({ n: 3 })
        .execute(),
    )
    return { n: second.rows[0]?.n, same: first.rows[0]?.id === second.rows[0]?.id }
  })
  t.strictSame(seen, { n: 1, same: true })
  t.strictSame(await told(), [1, 2, 3])
})

test('a statement that fails after the work is done takes everything back, and its own error is thrown', async (t) => {
  const { db, told } = await table(t)
  const failed = inTransaction(db, async (trx, last) => {
    last(sql`insert into told values (1)`.execute(trx))
    last(sql`insert into told values (1)`.execute(trx))
    last(sql`insert into told values (2)`.execute(trx))
    return 'done'
  })
  await t.rejects(failed, { code: '23505' })
  t.strictSame(await told(), [])
  await inTransaction(db, (trx) => sql`insert into told values (4)`.execute(trx))
  t.strictSame(await told(), [4], 'the connection is of use again')
})

test('an error of the work takes everything back, also what is still under way', async (t) => {
  const { db, told } = await table(t)
  const failed = inTransaction(db, async (trx, last) => {
    last(sql`insert into told values (1)`.execute(trx))
    last(sql`insert into nowhere values (1)`.execute(trx))
    await Promise.resolve()
    throw new Error('changed its mind')
  })
  await t.rejects(failed, /changed its mind/)
  t.strictSame(await told(), [])
})

test('whoever hears first of a failure hears its cause, not that the transaction is aborted', async (t) => {
  const { db, told } = await table(t)
  const failed = inTransaction(db, async (trx) => {
    const slow = async (): Promise<void> => {
      await sql`select 1 / 0`.execute(trx)
    }
    const slower = async (): Promise<void> => {
      await slow()
    }
    await Promise.all([slower(), sql`insert into told values (1)`.execute(trx)])
  })
  await t.rejects(failed, { code: '22012' })
  const later = inTransaction(db, async (trx, last) => {
    last(sql`select 1 / 0`.execute(trx))
    await sql`insert into told values (1)`.execute(trx)
  })
  await t.rejects(later, { code: '22012' })
  t.strictSame(await told(), [])
})

test('many transactions at once keep to themselves', async (t) => {
  const { db, told } = await table(t)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, n) =>
      inTransaction(db, async (trx, last) => {
        last(sql`insert into told values (${n})`.execute(trx))
        if (n % 4 === 0) last(sql`select 1 / 0`.execute(trx))
      }),
    ),
  )
  t.strictSame(
    outcomes.map((one) => one.status === 'fulfilled'),
    Array.from({ length: 40 }, (_, n) => n % 4 !== 0),
  )
  t.strictSame(
    await told(),
    Array.from({ length: 40 }, (_, n) => n).filter((n) => n % 4 !== 0),
  )
})

test('a connection that breaks in the middle is an error, and nothing is stored', async (t) => {
  const { db, told, pool } = await table(t)
  const failed = inTransaction(db, async (trx, last) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
    last(sql`insert into told values (1)`.execute(trx))
    await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid])
    await sql`select pg_sleep(0.2)`.execute(trx)
  })
  await t.rejects(failed)
  t.strictSame(await told(), [])
})
