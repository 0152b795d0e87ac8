import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** On which side of their schedule agents were seen last. */
export async function readShifts(db: Kysely<Tables>): Promise<ReadonlyMap<string, boolean>> {
  const { rows } = await sql<{ agent: string; on: boolean }>`
    select agent_id as agent, on_shift as on from agent_shift`.execute(db)
  return new Map(rows.map((row) => [row.agent, row.on]))
}

/** Under the presence lock where the status changes with it. Idempotent by agent. */
export async function writeShift(db: Kysely<Tables> | Transaction<Tables>, agent: string, on: boolean): Promise<void> {
  await sql`
    insert into agent_shift (agent_id, on_shift) select id, ${on} from agent where id = ${agent}
    on conflict (agent_id) do update set on_shift = excluded.on_shift, changed_at = now()
      where agent_shift.on_shift <> excluded.on_shift`.execute(db)
}

/** Time in which the agent took work: connected, and online or busy. Open intervals end now. */
export async function eligibleTimes(
  db: Kysely<Tables>,
  agent: string,
  from: Date,
  to: Date,
): Promise<readonly { readonly from: Date; readonly to: Date }[]> {
  const { rows } = await sql<{ from: Date; to: Date }>`
    select greatest(from_at, ${from}) as from, least(coalesce(to_at, now()), ${to}) as to from agent_state_interval
    where agent_id = ${agent} and state in ('online', 'busy') and from_at < ${to} and coalesce(to_at, now()) > ${from}
    order by from_at`.execute(db)
  return rows
}
