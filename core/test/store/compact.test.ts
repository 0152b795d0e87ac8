import { sql } from 'kysely'
import { test } from 'tap'
import { compactHeads } from '../../src/store/compact.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'

async function bytes({ pool }: Store): Promise<number> {
  const { rows } = await pool.query<{ n: string }>("select pg_total_relation_size('shard') as n")
  return Number(rows[0]?.n)
}

/** Updates every row again and again while somebody's snapshot keeps the dead ones. */
async function bloat(store: Store): Promise<{ release(): Promise<void> }> {
  const reader = await store.pool.connect()
  await reader.query('begin isolation level repeatable read')
  await reader.query('select 1 from shard')
  for (let i = 0; i < 80; i++) await store.pool.query('update shard set lease_until = clock_timestamp()')
  return {
    async release() {
      await reader.query('commit')
      reader.release()
    },
  }
}

test('a small table that has become long is written anew, with all its rows', async (t) => {
  const store = await withDatabase(t)
  const held = await bloat(store)
  await held.release()
  const before = await bytes(store)
  t.ok(before > 256 * 1024, `${before} bytes for 64 rows`)
  t.same(await compactHeads(store.db), ['shard'])
  t.ok((await bytes(store)) < 64 * 1024)
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from shard`.execute(store.db)
  t.equal(rows[0]?.n, 64)
  t.same(await compactHeads(store.db), [], 'and then left alone')
})

test('while dead rows cannot be cleared nothing is written anew', async (t) => {
  const store = await withDatabase(t)
  const held = await bloat(store)
  t.same(await compactHeads(store.db), [])
  await held.release()
  t.same(await compactHeads(store.db), ['shard'])
})

test('a table in use is not waited for', async (t) => {
  const store = await withDatabase(t)
  await (await bloat(store)).release()
  const user = await store.pool.connect()
  await user.query('begin')
  await user.query('update shard set claim_token = null where id = 1')
  t.same(await compactHeads(store.db), [])
  await user.query('commit')
  user.release()
  t.same(await compactHeads(store.db), ['shard'])
  const { rows } = await store.pool.query<{ lock_timeout: string }>('show lock_timeout')
  t.equal(rows[0]?.lock_timeout, '0', 'and no session keeps the short patience')
})
