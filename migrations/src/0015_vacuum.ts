import { sql, type Kysely } from 'kysely'

/** Rows come and go with every message; a table stays as small as what waits only when dead rows are cleared soon. */
const queues = ['inbox_waiting', 'outbox', 'lane_trouble', 'early_receipt', 'ws_ticket', 'presence_session']

/** A few rows, updated all the time. */
const heads = ['shard', 'lease', 'node', 'event_head', 'sla_cursor', 'analytics_cursor', 'agent_load', 'channel_limit']

/** Large, and updated where the work is: a fifth of them dead, as is the default, would be much. */
const large = [
  'conversation',
  'touchpoint',
  'work_item',
  'offer',
  'send',
  'sla_clock',
  'sla_conversation',
  'contact',
  'webhook_delivery',
]

/**
 * When vacuum comes, table by table: after so many dead rows for what must not grow, and without pauses, because such a table
 * fits into memory. Defaults wait for a share of the table, which for an empty queue that was once long is a long time.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const set = async (tables: readonly string[], settings: string): Promise<void> => {
    for (const table of tables) await sql.raw(`alter table ${table} set (${settings})`).execute(db)
  }
  await set(
    queues,
    'autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0',
  )
  await set(
    heads,
    'autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0',
  )
  await set(large, 'autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05')
}
