import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { UnifiedStatus } from './contract.js'

type Trx = Transaction<Tables>

/** Statuses of agents who take work at all; which channels, the dispatcher decides. */
const TAKING = sql.raw(`('online', 'busy')`)
const LIVE_SESSION = sql.raw(`s.lost_at is null and s.lease_until > clock_timestamp()`)

export interface PresenceRow {
  readonly status: UnifiedStatus
  /** The administrator's name of the status; null: none. */
  readonly label: string | null
  readonly reason: string | null
  readonly source: string
  /** Status that follows once the work in hand is done; no new offers until then. */
  readonly finishingTo: UnifiedStatus | null
  /** A supervisor keeps new work away. */
  readonly frozen: boolean
}

const shown = sql.raw(
  `p.status, p.label, p.reason, p.source, p.finishing_to as "finishingTo", p.frozen_at is not null as frozen`,
)

/**
 * The first lock of every change of presence: whoever holds it decides alone whether the agent is connected and takes
 * work. The row is made on the first occasion; an agent is offline until they say otherwise.
 */
export async function lockPresence(trx: Trx, agent: string): Promise<PresenceRow | null> {
  await sql`
    insert into agent_presence (agent_id) select id from agent where id = ${agent}
    on conflict (agent_id) do nothing`.execute(trx)
  const { rows } = await sql<PresenceRow>`
    select ${shown} from agent_presence p where p.agent_id = ${agent} for update`.execute(trx)
  return rows[0] ?? null
}

export interface PresenceChange {
  readonly status: UnifiedStatus
  readonly label?: string | null
  readonly reason: string | null
  readonly source: string
  readonly channels: Readonly<Record<string, boolean>> | null
  readonly until: Date | null
}

export async function writePresence(trx: Trx, agent: string, to: PresenceChange): Promise<void> {
  await sql`
    update agent_presence set status = ${to.status}, label = ${to.label ?? null}, reason = ${to.reason},
      source = ${to.source}, until = ${to.until}, finishing_to = null, finishing_label = null, finishing_reason = null,
      channels = coalesce(${to.channels === null ? null : JSON.stringify(to.channels)}::jsonb, channels),
      changed_at = case when status is distinct from ${to.status} or reason is distinct from ${to.reason}
        or label is distinct from ${to.label ?? null} then now() else changed_at end
    where agent_id = ${agent}`.execute(trx)
}

/** The status stays until the work in hand is done; then `to` follows. Under the presence lock. */
export async function writeFinishing(trx: Trx, agent: string, to: PresenceChange): Promise<void> {
  await sql`
    update agent_presence set finishing_to = ${to.status}, finishing_label = ${to.label ?? null},
      finishing_reason = ${to.reason}, source = ${to.source}, until = ${to.until}
    where agent_id = ${agent}`.execute(trx)
}

/** Agents who wanted to finish what they had, and have. */
export async function finishedAgents(
  db: Kysely<Tables>,
): Promise<readonly (PresenceChange & { readonly agent: string; readonly label: string | null })[]> {
  const { rows } = await sql<PresenceChange & { agent: string; label: string | null }>`
    select p.agent_id as agent, p.finishing_to as status, p.finishing_label as label, p.finishing_reason as reason,
      p.source, p.until, null as channels
    from agent_presence p join agent_load l using (agent_id)
    where p.finishing_to is not null and l.reserved + l.active = 0 order by 1`.execute(db)
  return rows
}

/** Under the presence lock. `by` null: thawed. */
export async function writeFrozen(trx: Trx, agent: string, by: string | null, reason: string | null): Promise<void> {
  await sql`
    update agent_presence set frozen_at = case when ${by}::text is null then null else now() end, frozen_by = ${by},
      frozen_reason = ${by === null ? null : reason} where agent_id = ${agent}`.execute(trx)
}

export async function openSession(
  trx: Trx,
  session: { readonly id: string; readonly agent: string; readonly node: string; readonly leaseS: number },
): Promise<void> {
  await sql`delete from presence_session where agent_id = ${session.agent} and lost_at is not null`.execute(trx)
  await sql`
    insert into presence_session (id, agent_id, node_id, lease_until)
    values (${session.id}, ${session.agent}, ${session.node}, clock_timestamp() + make_interval(secs => ${session.leaseS}::int))
    on conflict (id) do update set node_id = excluded.node_id, lease_until = excluded.lease_until, lost_at = null,
      last_beat_at = clock_timestamp()`.execute(trx)
}

/** null: there is no such session. */
export async function sessionAgent(db: Kysely<Tables>, id: string): Promise<string | null> {
  const { rows } = await sql<{ agent: string }>`
    select agent_id as agent from presence_session where id = ${id}`.execute(db)
  return rows[0]?.agent ?? null
}

/** The socket is gone. The row stays as the memory of when the agent was last seen, until they come back. */
export async function closeSession(trx: Trx, id: string): Promise<void> {
  await sql`update presence_session set lost_at = clock_timestamp() where id = ${id} and lost_at is null`.execute(trx)
}

/** One statement a node and beat of the clock, never one a ping. Answers the sessions it found. */
export async function renewSessions(
  db: Kysely<Tables>,
  beats: readonly { readonly id: string; readonly agoMs: number }[],
  leaseS: number,
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    update presence_session s set lease_until = clock_timestamp() + make_interval(secs => ${leaseS}::int),
      last_beat_at = greatest(s.last_beat_at, clock_timestamp() - make_interval(secs => r."agoMs" / 1000.0))
    from jsonb_to_recordset(${JSON.stringify(beats)}::jsonb) as r(id uuid, "agoMs" double precision)
    where s.id = r.id and s.lost_at is null returning s.id`.execute(db)
  return rows.map((row) => row.id)
}

/** Sessions whose lease has run out, by the database's clock: their node died, or their client fell silent. */
export async function lapsedAgents(db: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ agent: string }>`
    select distinct agent_id as agent from presence_session
    where lost_at is null and lease_until <= clock_timestamp() order by 1`.execute(db)
  return rows.map((row) => row.agent)
}

/** Under the agent's presence lock. The last beat is when they were last known to be there. */
export async function markLapsed(trx: Trx, agent: string): Promise<void> {
  await sql`
    update presence_session set lost_at = last_beat_at
    where agent_id = ${agent} and lost_at is null and lease_until <= clock_timestamp()`.execute(trx)
}

export interface Absent {
  readonly agent: string
  readonly status: UnifiedStatus
  readonly goneS: number
  readonly pending: boolean
  readonly realTime: readonly string[]
}

/** Agents without a live session who still hold something: pending offers, real-time work, a status that says present. */
export async function absentAgents(db: Kysely<Tables>, realTime: readonly string[]): Promise<readonly Absent[]> {
  const { rows } = await sql<Absent>`
    select p.agent_id as agent, p.status,
      extract(epoch from clock_timestamp() - greatest(max(s.lost_at), p.changed_at))::float8 as "goneS",
      exists (select 1 from offer o where o.agent_id = p.agent_id and o.state = 'pending') as pending,
      array(select o.conversation_id::text from offer o where o.agent_id = p.agent_id and o.state = 'accepted'
        and o.channel_kind = any(${realTime}::text[])) as "realTime"
    from agent_presence p left join presence_session s on s.agent_id = p.agent_id
    where not exists (select 1 from presence_session s where s.agent_id = p.agent_id and ${LIVE_SESSION})
      and (p.status <> 'offline' or exists (select 1 from offer o where o.agent_id = p.agent_id
        and o.state in ('pending', 'accepted')))
    group by p.agent_id, p.status, p.changed_at order by p.agent_id`.execute(db)
  return rows
}

/**
 * Sets `accepting` from status and sessions and closes or opens the interval of the agent's state. Under the presence lock;
 * agent_load is the last lock, so after this statement no dispatcher can reserve on a row that says no.
 */
export async function applyAvailability(
  trx: Trx,
  agent: string,
  interval: string,
): Promise<{ readonly accepting: boolean; readonly connected: boolean }> {
  const { rows } = await sql<{ accepting: boolean; connected: boolean }>`
    with state as (
      select p.status, coalesce(p.reason, p.label) as reason, p.source,
        p.status in ${TAKING} and p.finishing_to is null and p.frozen_at is null as taking, exists (select 1 from presence_session s where s.agent_id = p.agent_id and ${LIVE_SESSION})
        as connected
      from agent_presence p where p.agent_id = ${agent}
    ), effective as (
      select case when connected then status else 'offline' end as state,
        case when connected or status = 'offline' then reason else 'disconnected' end as reason,
        case when connected or status = 'offline' then source else 'system' end as source from state
    ), closed as (
      update agent_state_interval i set to_at = now() from effective e
      where i.agent_id = ${agent} and i.to_at is null and (i.state, coalesce(i.reason, '')) <> (e.state, coalesce(e.reason, ''))
    ), opened as (
      insert into agent_state_interval (id, agent_id, state, reason, from_at, source)
      select ${interval}, ${agent}, e.state, e.reason, now(), e.source from effective e
      where not exists (select 1 from agent_state_interval i where i.agent_id = ${agent} and i.to_at is null
        and (i.state, coalesce(i.reason, '')) = (e.state, coalesce(e.reason, '')))
    ), loaded as (
      update agent_load l set accepting = state.connected and state.taking
      from state where l.agent_id = ${agent}
    )
    select connected and taking as accepting, connected from state`.execute(trx)
  return rows[0] ?? { accepting: false, connected: false }
}

export async function resetMisses(trx: Trx, agent: string): Promise<void> {
  await sql`update agent_load set misses = 0 where agent_id = ${agent} and misses <> 0`.execute(trx)
}

export async function readPresence(
  db: Kysely<Tables>,
  agent: string,
): Promise<(PresenceRow & { readonly live: boolean; readonly goneS: number | null }) | null> {
  const { rows } = await sql<PresenceRow & { live: boolean; goneS: number | null }>`
    select ${shown}, coalesce(bool_or(${LIVE_SESSION}), false) as live,
      extract(epoch from clock_timestamp() - max(coalesce(s.lost_at, s.last_beat_at)))::float8 as "goneS"
    from agent_presence p left join presence_session s on s.agent_id = p.agent_id
    where p.agent_id = ${agent} group by p.agent_id`.execute(db)
  return rows[0] ?? null
}

/** Agents who let offers pass in a row and still say they take work. */
export async function missingAgents(db: Kysely<Tables>, misses: number): Promise<readonly string[]> {
  const { rows } = await sql<{ agent: string }>`
    select l.agent_id as agent from agent_load l join agent_presence p using (agent_id)
    where l.misses >= ${misses} and p.status in ${TAKING} order by 1`.execute(db)
  return rows.map((row) => row.agent)
}

/** Statuses with an end that has come. */
export async function overStatuses(db: Kysely<Tables>): Promise<readonly string[]> {
  const { rows } = await sql<{ agent: string }>`
    select agent_id as agent from agent_presence where until <= clock_timestamp() and status in ('away', 'busy', 'wrap')
    order by 1`.execute(db)
  return rows.map((row) => row.agent)
}
