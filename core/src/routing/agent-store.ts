import { sql, type Kysely, type Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import type { Tables } from '../store/tables.js'
import type { Candidate } from './selection.js'

/** Roles that handle conversations. */
const WORKING = sql.raw(`('agent', 'lead', 'admin')`)
const DEFAULT_CAPACITY = 100

/** An agent's row in agent_load, with the capacity of the configuration; agents made elsewhere get the default. */
export async function ensureLoad(
  trx: Kysely<Tables> | Transaction<Tables>,
  agents: readonly string[],
  config: Config,
): Promise<void> {
  const capacity = new Map(config.agents.map((agent) => [agent.id, agent.capacity]))
  const rows = agents.map((agent) => ({ agent, capacity: capacity.get(agent) ?? DEFAULT_CAPACITY }))
  await sql`
    insert into agent_load (agent_id, capacity)
    select r.agent, r.capacity from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(agent text, capacity int)
    order by r.agent
    on conflict (agent_id) do nothing`.execute(trx)
}

/** Capacities follow the configuration at start. Agents that are not in the file keep theirs. */
export async function syncCapacities(db: Kysely<Tables>, config: Config): Promise<void> {
  const rows = config.agents.map((agent) => ({ agent: agent.id, capacity: agent.capacity }))
  await sql`
    insert into agent_load (agent_id, capacity)
    select r.agent, r.capacity from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(agent text, capacity int)
      join agent a on a.id = r.agent
    order by r.agent
    on conflict (agent_id) do update set capacity = excluded.capacity
      where agent_load.capacity is distinct from excluded.capacity`.execute(db)
}

export async function workingAgent(
  trx: Transaction<Tables>,
  agent: string,
): Promise<{ readonly perChannelMax: Readonly<Record<string, number>> } | null> {
  const { rows } = await sql<{ perChannelMax: Record<string, number> }>`
    select per_channel_max as "perChannelMax" from agent
    where id = ${agent} and disabled_at is null and role in ${WORKING}`.execute(trx)
  return rows[0] ?? null
}

/** Everybody who may ever be asked, one snapshot, with whether they can be asked now. */
export async function readCandidates(
  trx: Kysely<Tables> | Transaction<Tables>,
  only: readonly string[] | null = null,
): Promise<readonly Candidate[]> {
  const { rows } = await sql<Candidate>`
    select a.id as agent, a.teams, a.skills, a.languages, a.per_channel_max as "perChannelMax",
      coalesce(l.capacity, 0) as capacity, coalesce(l.reserved, 0) as reserved, coalesce(l.active, 0) as active,
      coalesce(l.by_channel, '{}') as "byChannel", l.last_assigned_at as "lastAssignedAt",
      coalesce(p.status, 'offline') as status, coalesce(p.channels, '{}') as channels,
      coalesce(l.accepting, false) and exists (select 1 from presence_session s where s.agent_id = a.id
        and s.lost_at is null and s.lease_until > clock_timestamp()) as available
    from agent a left join agent_load l on l.agent_id = a.id left join agent_presence p on p.agent_id = a.id
    where a.disabled_at is null and a.role in ${WORKING} and (${only}::text[] is null or a.id = any(${only}::text[]))
    order by a.id`.execute(trx)
  return rows
}

/** Under the presence lock: offers still come and go, so this is a hint that the sweep looks at again. */
export async function hasWork(trx: Transaction<Tables>, agent: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from agent_load where agent_id = ${agent} and reserved + active > 0`.execute(trx)
  return rows.length > 0
}
