import { sql } from 'kysely'
import { test } from 'tap'
import { pruneInbox } from '../../src/inbound/inbox-store.js'
import { withDatabase } from '../support/database.js'

test('retention goes on until nothing old is left, and leaves alone what is young, waits or is parked', async (t) => {
  const { db, pool } = await withDatabase(t)
  // Every 50th is parked, every 49th waits; the newest 40 are young.
  await sql`
    insert into inbox (channel, external_id, lane, shard, state, event, request, received_at)
    select 'sms', n::text, 'l', 0, case when n % 50 = 0 then 'parked' else 'accepted' end, '{}', gen_random_uuid(),
      now() - case when n > 960 then interval '1 day' else interval '8 days' end
    from generate_series(1, 1000) n`.execute(db)
  await sql`
    insert into inbox_waiting (shard, id, lane)
    select shard, id, lane from inbox where external_id::int % 49 = 0 and state = 'accepted'`.execute(db)
  const { rows: kept } = await pool.query<{ n: number }>(
    `select count(*)::int as n from inbox i where received_at > now() - interval '7 days' or state = 'parked'
      or exists (select 1 from inbox_waiting w where w.id = i.id)`,
  )
  const gone = await pruneInbox(db, 7, 100)
  const { rows } = await pool.query<{ n: number }>('select count(*)::int as n from inbox')
  t.strictSame(rows, kept)
  t.equal(gone, 1000 - (kept[0]?.n ?? 0))
  t.equal(await pruneInbox(db, 7, 100), 0)
})
