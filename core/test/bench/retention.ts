import { sql } from 'kysely'
import { pruneLog } from '../../src/events/outbox-store.js'
import { pruneInbox } from '../../src/inbound/inbox-store.js'
import { openStore } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'

export interface SweepTimes {
  readonly inboxRowsPerS: number
  readonly eventRowsPerS: number
  /** ms of one look of both sweeps over `idleRows` rows that are all too young. */
  readonly idleMs: number
  readonly idleRows: number
}

/** The retention's own functions over a filled database, which is emptied by it: first nothing is old enough, then all of it. */
export async function timeRetention(url: string): Promise<SweepTimes> {
  const store = await openStore({ url, dataDir: '', log: silentLog, poolSize: 2 })
  const { db } = store
  try {
    const { rows } = await sql<{ inbox: number; events: number }>`
      select (select count(*) from inbox) as inbox, (select count(*) from event_log) as events`.execute(db)
    const { inbox = 0, events = 0 } = rows[0] ?? {}
    const from = performance.now()
    await pruneInbox(db, 7)
    await pruneLog(db, 72, 0)
    const idleMs = performance.now() - from
    await sql`update inbox set received_at = received_at - interval '30 days'`.execute(db)
    await sql`update event_log set at = at - interval '30 days'`.execute(db)
    await sql`vacuum analyze`.execute(db)
    const inboxRun = await untilNothing(() => pruneInbox(db, 7))
    const eventRun = await untilNothing(() => pruneLog(db, 72, 0))
    return {
      inboxRowsPerS: inboxRun.rowsPerS,
      eventRowsPerS: eventRun.rowsPerS,
      idleMs,
      idleRows: inbox + events,
    }
  } finally {
    await store.close()
  }
}

async function untilNothing(sweep: () => Promise<number>): Promise<{ rowsPerS: number }> {
  const from = performance.now()
  let rows = 0
  for (let found = await sweep(); found > 0; found = await sweep()) {
    rows += found
  }
  return { rowsPerS: (rows * 1000) / (performance.now() - from) }
}
