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

/** What seldom changes of agents, by agent, with the version of the row it was read from. */
export type KnownAgents = Map<string, Pick<Candidate, Lasting> & { readonly version: string }>
type Lasting = 'teams' | 'skills' | 'languages' | 'perChannelMax'

interface Passing extends Omit<Candidate, Lasting | 'lastAssignedAt'> {
  readonly version: string
  readonly lastMs: number | null
}

/**
 * Everybody who may ever be asked, with whether they can be asked now. What seldom changes is read again only for those
 * whose row has changed since (`xmin`, the transaction that wrote it), if `known` is kept from call to call.
 */
export async function readCandidates(
  trx: Kysely<Tables> | Transaction<Tables>,
  only: readonly string[] | null = null,
  known: KnownAgents = new Map(),
): Promise<readonly Candidate[]> {
  const { rows } = await sql<Passing>`
    select a.id as agent, a.xmin::text as version,
      coalesce(l.capacity, 0) as capacity, coalesce(l.reserved, 0) as reserved, coalesce(l.active, 0) as active,
      coalesce(l.by_channel, '{}') as "byChannel", (extract(epoch from l.last_assigned_at) * 1000)::float8 as "lastMs",
      coalesce(p.status, 'offline') as status, coalesce(p.channels, '{}') as channels,
      coalesce(l.accepting, false) and s.agent_id is not null as available
    from agent a left join agent_load l on l.agent_id = a.id left join agent_presence p on p.agent_id = a.id
      left join (select distinct agent_id from presence_session
        where lost_at is null and lease_until > clock_timestamp()) s on s.agent_id = a.id
    where a.disabled_at is null and a.role in ${WORKING} and (${only}::text[] is null or a.id = any(${only}::text[]))
    order by a.id`.execute(trx)
  const changed = rows.filter(({ agent, version }) => known.get(agent)?.version !== version)
  await readLasting(
    trx,
    known,
    changed.map(({ agent }) => agent),
  )
  return rows.flatMap((row) => {
    const lasting = known.get(row.agent)
    return lasting === undefined ? [] : [candidateOf(row, lasting)]
  })
}

/** Field by field: spreading a thousand rows takes longer than reading them. */
function candidateOf(row: Passing, lasting: Pick<Candidate, Lasting>): Candidate {
  return {
    agent: row.agent,
    teams: lasting.teams,
    skills: lasting.skills,
    languages: lasting.languages,
    perChannelMax: lasting.perChannelMax,
    capacity: row.capacity,
    reserved: row.reserved,
    active: row.active,
    byChannel: row.byChannel,
    lastAssignedAt: row.lastMs === null ? null : new Date(row.lastMs),
    status: row.status,
    channels: row.channels,
    available: row.available,
  }
}

async function readLasting(
  trx: Kysely<Tables> | Transaction<Tables>,
  known: KnownAgents,
  agents: readonly string[],
): Promise<void> {
  if (agents.length === 0) return
  const { rows } = await sql<Pick<Candidate, Lasting> & { agent: string; version: string }>`
    select id as agent, xmin::text as version, teams, skills, languages, per_channel_max as "perChannelMax"
    from agent where id = any(${agents}::text[])`.execute(trx)
  for (const { agent, ...lasting } of rows) known.set(agent, lasting)
}

/** Under the presence lock: offers still come and go, so this is a hint that the sweep looks at again. */
export async function hasWork(trx: Transaction<Tables>, agent: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from agent_load where agent_id = ${agent} and reserved + active > 0`.execute(trx)
  return rows.length > 0
}
