import type { ColumnType, Generated } from 'kysely'

/** Agents, how they sign in, and whether they are there. */

export interface AgentTable {
  id: string
  name: string
  email: string
  role: string
  password_hash: string | null
  teams: Generated<string[]>
  skills: ColumnType<unknown, string | undefined, string>
  languages: ColumnType<unknown, string | undefined, string>
  time_zone: Generated<string>
  per_channel_max: ColumnType<unknown, string | undefined, string>
  disabled_at: Date | null
  source: Generated<string>
  failed_logins: Generated<number>
  locked_until: Date | null
  rights_version: Generated<number>
  created_at: Generated<Date>
}

export interface AgentSessionTable {
  id: string
  agent_id: string
  token_hash: Buffer
  created_at: Generated<Date>
  expires_at: Date
  revoked_at: Date | null
}

export interface ApiTokenTable {
  id: string
  name: string
  agent_id: string | null
  role: string
  token_hash: Buffer
  created_at: Generated<Date>
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
}

export interface SignInCodeTable {
  code_hash: Buffer
  agent_id: string
  expires_at: Date
  used_at: Date | null
}

export interface WsTicketTable {
  ticket_hash: Buffer
  agent_id: string
  session_id: string | null
  api_token_id: string | null
  origin: string | null
  expires_at: Date
  used_at: Date | null
}

export interface AgentLoadTable {
  agent_id: string
  capacity: Generated<number>
  reserved: Generated<number>
  active: Generated<number>
  by_channel: ColumnType<unknown, string | undefined, string>
  accepting: Generated<boolean>
  last_assigned_at: Date | null
  misses: Generated<number>
  version: Generated<number>
}

export interface AgentPresenceTable {
  agent_id: string
  status: Generated<string>
  reason: string | null
  source: Generated<string>
  until: Date | null
  channels: ColumnType<unknown, string | undefined, string>
  changed_at: Generated<Date>
  label: string | null
  finishing_to: string | null
  finishing_label: string | null
  finishing_reason: string | null
  frozen_at: Date | null
  frozen_by: string | null
  frozen_reason: string | null
}

export interface PresenceSessionTable {
  id: string
  agent_id: string
  node_id: string
  connected_at: Generated<Date>
  last_beat_at: Generated<Date>
  lease_until: Date
  lost_at: Date | null
}

export interface AgentStateIntervalTable {
  id: string
  agent_id: string
  state: string
  reason: string | null
  from_at: Date
  to_at: Date | null
  source: string | null
}

export interface AgentShiftTable {
  agent_id: string
  on_shift: boolean
  changed_at: Generated<Date>
}

export interface SupervisionTable {
  conversation_id: string
  agent_id: string
  mode: string
  since: Generated<Date>
  until: Date | null
}
