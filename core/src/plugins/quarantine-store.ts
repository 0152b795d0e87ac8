import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Rows of `plugin_quarantine` as nodes and the command line use them; the watchdog's thread writes the strikes. */
export interface Strike {
  readonly id: string
  readonly instance: string
  readonly operation: string
  readonly host: string
}

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

/** What the watchdog's thread needs of a connection of its own: the main thread stands still. */
export interface Connection {
  query(text: string, values: readonly unknown[]): Promise<unknown>
}

/** Idempotency key: the strike's id, made by the thread. */
export async function suspect(connection: Connection, strike: Strike): Promise<void> {
  await connection.query(
    `insert into plugin_quarantine (id, instance, operation, node_host) values ($1, $2, $3, $4)
     on conflict (id) do nothing`,
    [strike.id, strike.instance, strike.operation, strike.host],
  )
}

export async function takeBack(connection: Connection, id: string): Promise<void> {
  await connection.query('delete from plugin_quarantine where id = $1 and confirmed_at is null', [id])
}

export async function confirm(connection: Connection, id: string): Promise<void> {
  await connection.query('update plugin_quarantine set confirmed_at = clock_timestamp() where id = $1', [id])
}
