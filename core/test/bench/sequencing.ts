import { sql } from 'kysely'
import { sequenceOutbox } from '../../src/events/outbox-store.js'
import { openStore } from '../../src/store/store.js'
import { silentLog } from '../support/cluster.js'

export interface SequencerRates {
  /** Events a second when each call finds one batch, and when it finds `backlog` events. */
  readonly steady: number
  readonly behind: number
}

const BATCH = 1_000
const STEADY_CALLS = 100
const BEHIND_CALLS = 20

/** The sequencer's own statement on one connection, which first sees small outboxes and then a large one. */
export async function timeSequencer(url: string, backlog: number): Promise<SequencerRates> {
  const store = await openStore({ url, dataDir: '', log: silentLog, poolSize: 1 })
  const { db } = store
  const add = (events: number) =>
    sql`insert into outbox (type, conversation_id, contact_id, actor_kind, data)
      select 'message.inbound', gen_random_uuid(), gen_random_uuid(), 'customer',
        json_build_object('messageId', gen_random_uuid(), 'channel', 'api', 'touchpoint', gen_random_uuid(), 'version', 12,
          'at', 1790000000000, 'text', '#' || n || ' Where is my order? It should have been here on Tuesday.',
          'parts', json_build_array('text'))
      from generate_series(1, ${events}::int) n`.execute(db)
  const move = async (): Promise<number> => {
    const from = performance.now()
    await sequenceOutbox(db, BATCH)
    return performance.now() - from
  }
  try {
    const steady: number[] = []
    for (let i = 0; i < STEADY_CALLS; i++) {
      await add(BATCH)
      steady.push(await move())
    }
    await add(backlog)
    const behind: number[] = []
    for (let i = 0; i < BEHIND_CALLS; i++) behind.push(await move())
    return { steady: rate(steady), behind: rate(behind) }
  } finally {
    await store.close()
  }
}

function rate(calls: readonly number[]): number {
  const sorted = [...calls].sort((a, b) => a - b)
  return (BATCH * 1000) / (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN)
}
