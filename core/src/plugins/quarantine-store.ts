import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Strike } from './strike-store.js'

/** Another statement's worth of time than the watchdog's limit: a process that lives has taken back or confirmed by then. */
const SUSPICION = '20 seconds'

/** One live strike an instance: the oldest. */
export async function liveStrikes(db: Kysely<Tables>): Promise<readonly Strike[]> {
  const { rows } = await sql<Strike>`
    select distinct on (instance) id, instance, operation, node_host as host from plugin_quarantine
    where released_at is null and (confirmed_at is not null or struck_at < clock_timestamp() - ${SUSPICION}::interval)
    order by instance, struck_at`.execute(db)
  return rows
}

/** Lets the instance run again. Answers how many strikes were taken back; 0: it was not in quarantine. */
export async function releaseInstance(db: Kysely<Tables>, instance: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update plugin_quarantine set released_at = clock_timestamp()
    where instance = ${instance} and released_at is null`.execute(db)
  return Number(numAffectedRows ?? 0)
}
