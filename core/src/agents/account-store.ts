import { sql, type Kysely, type Transaction } from 'kysely'
import type { AgentRole } from '../config/contract.js'
import type { Tables } from '../store/tables.js'

type Db = Kysely<Tables> | Transaction<Tables>

export interface AgentRow {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly role: AgentRole
  readonly teams: readonly string[]
  readonly passwordHash: string | null
  readonly rightsVersion: number
  readonly disabledAt: Date | null
  readonly lockedUntil: Date | null
  readonly locked: boolean
}

const columns = sql.raw(`
  a.id, a.name, a.email, a.role, a.teams, a.password_hash as "passwordHash", a.rights_version as "rightsVersion",
  a.disabled_at as "disabledAt", a.locked_until as "lockedUntil", coalesce(a.locked_until > now(), false) as locked`)

export async function listAgents(db: Db): Promise<AgentRow[]> {
  const { rows } = await sql<AgentRow>`select ${columns} from agent a order by a.id`.execute(db)
  return rows
}

export async function agentById(db: Db, id: string): Promise<AgentRow | null> {
  const { rows } = await sql<AgentRow>`select ${columns} from agent a where a.id = ${id}`.execute(db)
  return rows[0] ?? null
}

export async function agentByEmail(db: Db, email: string): Promise<AgentRow | null> {
  const { rows } = await sql<AgentRow>`select ${columns} from agent a where lower(a.email) = lower(${email})`.execute(
    db,
  )
  return rows[0] ?? null
}

export interface AgentProfile {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly role: string
  readonly teams: readonly string[]
  readonly skills: string
  readonly languages: string
  readonly timeZone: string
  readonly perChannelMax: string
  readonly capacity: number
  readonly source: 'config' | 'cli'
}

/**
 * Uniqueness: id, and lower(email). Rights (role, teams) that change bump rights_version, so that live sockets are checked
 * again. The row of agent_load, where capacity is decided, is made with the agent.
 */
export async function upsertAgents(trx: Transaction<Tables>, agents: readonly AgentProfile[]): Promise<void> {
  for (const agent of agents) {
    await sql`
      insert into agent as a (id, name, email, role, teams, skills, languages, time_zone, per_channel_max, source)
      values (${agent.id}, ${agent.name}, ${agent.email}, ${agent.role}, ${agent.teams}::text[], ${agent.skills}::jsonb,
        ${agent.languages}::jsonb, ${agent.timeZone}, ${agent.perChannelMax}::jsonb, ${agent.source})
      on conflict (id) do update set name = excluded.name, email = excluded.email, role = excluded.role,
        teams = excluded.teams, skills = excluded.skills, languages = excluded.languages, time_zone = excluded.time_zone,
        per_channel_max = excluded.per_channel_max, source = excluded.source, disabled_at = null,
        rights_version = a.rights_version
          + case when a.role <> excluded.role or a.teams <> excluded.teams or a.disabled_at is not null then 1 else 0 end`.execute(
      trx,
    )
    await sql`
      insert into agent_load (agent_id, capacity) values (${agent.id}, ${agent.capacity})
      on conflict (agent_id) do update set capacity = excluded.capacity`.execute(trx)
  }
}

/** Agents of the configuration that left the file. */
export async function disableAbsent(trx: Transaction<Tables>, present: readonly string[]): Promise<void> {
  await sql`
    update agent set disabled_at = now(), rights_version = rights_version + 1
    where source = 'config' and disabled_at is null and id <> all(${present}::text[])`.execute(trx)
}

export async function setPasswordHash(trx: Transaction<Tables>, agent: string, hash: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update agent set password_hash = ${hash}, failed_logins = 0, locked_until = null, rights_version = rights_version + 1
    where id = ${agent}`.execute(trx)
  return numAffectedRows === 1n
}

export async function setDisabled(trx: Transaction<Tables>, agent: string, disabled: boolean): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update agent set disabled_at = case when ${disabled} then coalesce(disabled_at, now()) end,
      rights_version = rights_version + 1
    where id = ${agent}`.execute(trx)
  return numAffectedRows === 1n
}

export async function endSessions(trx: Transaction<Tables>, agent: string): Promise<void> {
  await sql`update agent_session set revoked_at = now() where agent_id = ${agent} and revoked_at is null`.execute(trx)
}

/** Five wrong passwords lock the account for 15 minutes, by database time. */
export async function countFailure(db: Db, agent: string): Promise<void> {
  await sql`
    update agent set
      failed_logins = case when failed_logins >= 4 then 0 else failed_logins + 1 end,
      locked_until = case when failed_logins >= 4 then now() + interval '15 minutes' else locked_until end
    where id = ${agent}`.execute(db)
}

export async function insertSession(
  db: Db,
  session: { readonly id: string; readonly agent: string; readonly hash: Buffer; readonly hours: number },
): Promise<Date> {
  await sql`update agent set failed_logins = 0, locked_until = null where id = ${session.agent} and failed_logins > 0`.execute(
    db,
  )
  const { rows } = await sql<{ expires: Date }>`
    insert into agent_session (id, agent_id, token_hash, expires_at)
    values (${session.id}::uuid, ${session.agent}, ${session.hash}, now() + make_interval(hours => ${session.hours}::int))
    returning expires_at as expires`.execute(db)
  return rows[0]!.expires
}

export async function revokeSession(db: Db, id: string): Promise<void> {
  await sql`update agent_session set revoked_at = now() where id = ${id}::uuid and revoked_at is null`.execute(db)
}

export interface Bearer extends AgentRow {
  readonly kind: 'session' | 'token'
  readonly tokenId: string
  /** Role of an API token; for a session the agent's. */
  readonly tokenRole: AgentRole
}

/** Session or API token by its hash; nothing for expired, revoked and disabled ones. */
export async function findBearer(db: Db, hash: Buffer): Promise<Bearer | null> {
  const { rows } = await sql<Bearer>`
    select ${columns}, 'session' as kind, s.id as "tokenId", a.role as "tokenRole"
    from agent_session s join agent a on a.id = s.agent_id
    where s.token_hash = ${hash} and s.revoked_at is null and s.expires_at > now() and a.disabled_at is null
    union all
    select ${columns}, 'token', t.id, t.role
    from api_token t join agent a on a.id = t.agent_id
    where t.token_hash = ${hash} and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
      and a.disabled_at is null`.execute(db)
  return rows[0] ?? null
}

/** Which of these sessions and tokens still hold, with the rights version of their agents: one query for a whole node. */
export async function liveBearers(
  db: Db,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly agent: string; readonly rightsVersion: number }[]> {
  const { rows } = await sql<{ id: string; agent: string; rightsVersion: number }>`
    select s.id, a.id as agent, a.rights_version as "rightsVersion" from agent_session s join agent a on a.id = s.agent_id
    where s.id = any(${ids}::uuid[]) and s.revoked_at is null and s.expires_at > now() and a.disabled_at is null
    union all
    select t.id, a.id, a.rights_version from api_token t join agent a on a.id = t.agent_id
    where t.id = any(${ids}::uuid[]) and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
      and a.disabled_at is null`.execute(db)
  return rows
}

export async function insertCode(
  db: Db,
  code: { readonly hash: Buffer; readonly agent: string; readonly minutes: number },
): Promise<void> {
  await sql`
    insert into sign_in_code (code_hash, agent_id, expires_at)
    values (${code.hash}, ${code.agent}, now() + make_interval(mins => ${code.minutes}::int))`.execute(db)
}

/** Single use: the row is taken by one UPDATE. */
export async function useCode(db: Db, hash: Buffer): Promise<string | null> {
  const { rows } = await sql<{ agent: string }>`
    update sign_in_code set used_at = now()
    where code_hash = ${hash} and used_at is null and expires_at > now() returning agent_id as agent`.execute(db)
  return rows[0]?.agent ?? null
}

export async function insertToken(
  db: Db,
  token: {
    readonly id: string
    readonly name: string
    readonly agent: string
    readonly role: string
    readonly hash: Buffer
    readonly expiresAt: Date | null
  },
): Promise<void> {
  await sql`
    insert into api_token (id, name, agent_id, role, token_hash, expires_at)
    values (${token.id}::uuid, ${token.name}, ${token.agent}, ${token.role}, ${token.hash}, ${token.expiresAt})`.execute(
    db,
  )
}

export async function revokeToken(db: Db, id: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update api_token set revoked_at = now() where id::text = ${id} and revoked_at is null`.execute(db)
  return numAffectedRows === 1n
}

export interface TokenRow {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
}

export async function listTokens(db: Db): Promise<TokenRow[]> {
  const { rows } = await sql<TokenRow>`
    select id, name, role, created_at as "createdAt", last_used_at as "lastUsedAt", revoked_at as "revokedAt"
    from api_token order by created_at desc limit 500`.execute(db)
  return rows
}

/** At most once a minute a token: when it was last used is for people. */
export async function touchToken(db: Db, id: string): Promise<void> {
  await sql`
    update api_token set last_used_at = now()
    where id = ${id}::uuid and (last_used_at is null or last_used_at < now() - interval '1 minute')`.execute(db)
}

export async function insertTicket(
  db: Db,
  ticket: {
    readonly hash: Buffer
    readonly agent: string
    readonly kind: 'session' | 'token'
    readonly id: string
    readonly origin: string | null
    readonly seconds: number
  },
): Promise<Date> {
  const { rows } = await sql<{ expires: Date }>`
    insert into ws_ticket (ticket_hash, agent_id, session_id, api_token_id, origin, expires_at)
    values (${ticket.hash}, ${ticket.agent}, ${ticket.kind === 'session' ? ticket.id : null}::uuid,
      ${ticket.kind === 'token' ? ticket.id : null}::uuid, ${ticket.origin}, now() + make_interval(secs => ${ticket.seconds}::int))
    returning expires_at as expires`.execute(db)
  return rows[0]!.expires
}

export interface RedeemedTicket extends Bearer {
  readonly origin: string | null
}

/** Single use, and only while the session or token it was made with still holds. */
export async function redeemTicket(db: Db, hash: Buffer): Promise<RedeemedTicket | null> {
  const { rows } = await sql<RedeemedTicket>`
    with used as (
      update ws_ticket set used_at = now() where ticket_hash = ${hash} and used_at is null and expires_at > now()
      returning agent_id, session_id, api_token_id, origin
    )
    select ${columns}, case when u.session_id is null then 'token' else 'session' end as kind,
      coalesce(u.session_id, u.api_token_id) as "tokenId", coalesce(t.role, a.role) as "tokenRole", u.origin
    from used u join agent a on a.id = u.agent_id and a.disabled_at is null
    left join agent_session s on s.id = u.session_id and s.revoked_at is null and s.expires_at > now()
    left join api_token t on t.id = u.api_token_id and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
    where s.id is not null or t.id is not null`.execute(db)
  return rows[0] ?? null
}

/** What is used up or over: codes, tickets, sessions long expired. */
export async function pruneCredentials(db: Db): Promise<void> {
  await sql`delete from ws_ticket where expires_at < now() - interval '1 hour'`.execute(db)
  await sql`delete from sign_in_code where expires_at < now() - interval '1 day'`.execute(db)
  await sql`delete from agent_session where coalesce(revoked_at, expires_at) < now() - interval '30 days'`.execute(db)
}
