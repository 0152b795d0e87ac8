import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { EXCLUSIVE, unitsInUse } from './units.js'

/** The row where capacity is decided, locked by this transaction. Mutable: written back by `writeLoads`. */
export interface Load {
  readonly agent: string
  readonly capacity: number
  readonly accepting: boolean
  reserved: number
  active: number
  /** Live offers by kind of channel: pending, accepted and wrapping together. */
  byChannel: Record<string, number>
  misses: number
  assigned: boolean
}

/** Locks the rows in the order of agents, and reads them after the lock: what is decided from here on is the truth. */
export async function lockLoads(trx: Transaction<Tables>, agents: readonly string[]): Promise<Map<string, Load>> {
  if (agents.length === 0) return new Map()
  const { rows } = await sql<Omit<Load, 'assigned'>>`
    select agent_id as agent, capacity, accepting, reserved, active, by_channel as "byChannel", misses
    from agent_load where agent_id = any(${[...new Set(agents)]}::text[])
    order by agent_id for no key update`.execute(trx)
  return new Map(rows.map((row) => [row.agent, { ...row, byChannel: { ...row.byChannel }, assigned: false }]))
}

/**
 * Writes locked rows back. The table's CHECKs (reserved >= 0, active >= 0) make a double release fail loudly, and with it
 * the whole act.
 */
export async function writeLoads(trx: Transaction<Tables>, loads: Iterable<Load>): Promise<void> {
  const rows = JSON.stringify(
    [...loads].map((load) => ({
      agent: load.agent,
      reserved: load.reserved,
      active: load.active,
      by_channel: Object.fromEntries(Object.entries(load.byChannel).filter(([, count]) => count !== 0)),
      misses: load.misses,
      assigned: load.assigned,
    })),
  )
  await sql`
    update agent_load l set reserved = r.reserved, active = r.active, by_channel = r.by_channel, misses = r.misses,
      last_assigned_at = case when r.assigned then now() else l.last_assigned_at end, version = l.version + 1
    from jsonb_to_recordset(${rows}::jsonb)
      as r(agent text, reserved int, active int, by_channel jsonb, misses smallint, assigned boolean)
    where l.agent_id = r.agent`.execute(trx)
}

export function fits(
  load: Load,
  kind: string,
  units: number,
  most: number | undefined,
  interruptible: readonly string[] = [],
): boolean {
  return (
    load.accepting &&
    (load.byChannel[EXCLUSIVE] ?? 0) === 0 &&
    unitsInUse(load, kind, interruptible) + units <= load.capacity &&
    (most === undefined || (load.byChannel[kind] ?? 0) < most)
  )
}

export function count(load: Load, kind: string, by: 1 | -1): void {
  load.byChannel[kind] = (load.byChannel[kind] ?? 0) + by
}
