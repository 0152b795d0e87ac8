import type { ColumnType, Generated, GeneratedAlways } from 'kysely'

/**
 * The tables as Kysely sees them; the migrations are the truth and say what each column means. int8 is read as number,
 * timestamptz as Date. JSON columns are written as text (JSON.stringify) and read parsed.
 */
type Json = ColumnType<unknown, string, string>

export interface InstallationTable {
  id: Generated<boolean>
  epoch: Generated<string>
  root_key: Generated<Buffer>
  shards: Generated<number>
  created_at: Generated<Date>
}

export interface NodeTable {
  id: string
  pool_id: string | null
  host: string
  roles: string[]
  release: string
  started_at: Generated<Date>
  heartbeat_at: Generated<Date>
  stopped_at: Date | null
}

export interface LeaseTable {
  name: string
  node_id: string | null
  token: string | null
  until: Date
  last_run_at: Date | null
}

export interface InboxTable {
  id: GeneratedAlways<number>
  channel: string
  external_id: string
  lane: string
  shard: number
  state: Generated<string>
  event: ColumnType<unknown, string | null, string | null>
  request: string
  raw: Buffer | null
  headers: ColumnType<unknown, string | null, string | null>
  received_at: Generated<Date>
  crashes: Generated<number>
  code: string | null
  reason: string | null
  done_at: Date | null
}

export interface ShardTable {
  id: number
  claim_token: string | null
  node_id: string | null
  lease_until: Date | null
  in_hand: Generated<number[]>
}

export interface LaneTroubleTable {
  lane: string
  shard: number
  attempts: number
  first_failed_at: Generated<Date>
  retry_at: Date
  inbox_id: number
}

export interface ContactTable {
  id: string
  name: string | null
  language: string | null
  time_zone: string | null
  tier: string | null
  attributes: ColumnType<unknown, string | undefined, string>
  account_manager: string | null
  joined_into: string | null
  consent: boolean | null
  version: Generated<number>
  created_at: Generated<Date>
}

export interface IdentifierTable {
  id: string
  contact_id: string
  kind: string
  value: string
  assurance: string
  resolves: boolean
  evidence: string
  channel: string | null
  created_at: Generated<Date>
}

export interface ContactJoinTable {
  id: string
  from_contact: string
  into_contact: string
  evidence: string
  actor_kind: string
  actor_id: string | null
  at: Generated<Date>
  moved: Json
  undone_at: Date | null
  undone_by: string | null
}

export interface IdentitySuggestionTable {
  id: string
  contact_a: string
  contact_b: string
  kind: string
  value: string
  confidence: number
  evidence: string
  state: Generated<string>
  at: Generated<Date>
  decided_at: Date | null
  decided_by: string | null
}

export interface ConversationTable {
  id: string
  contact_id: string
  status: Generated<string>
  subject: string | null
  priority: Generated<string>
  queue: string | null
  assignee: string | null
  tags: Generated<string[]>
  language: string | null
  sla_policy: string | null
  last_touchpoint: string | null
  last_message_at: Date | null
  last_inbound_at: Date | null
  waiting_since: Date | null
  snoozed_until: Date | null
  resolved_at: Date | null
  joined_into: string | null
  related_to: string | null
  version: Generated<number>
  created_at: Generated<Date>
}

export interface TouchpointTable {
  id: string
  conversation_id: string
  contact_id: string
  channel: string
  thread: string
  thread_kind: Generated<string>
  title: string | null
  last_inbound_at: Date | null
  created_at: Generated<Date>
}

export interface MessageTable {
  id: string
  conversation_id: string
  touchpoint_id: string | null
  channel: string | null
  direction: string
  author_kind: string
  author_id: string | null
  text: string
  parts: Json
  subject: string | null
  external_id: string | null
  reply_to: string | null
  automatic: Generated<boolean>
  provider_at: Date
  at: Generated<Date>
  late: Generated<boolean>
  state: string | null
  losses: ColumnType<unknown, string | null, string | null>
  reactions: ColumnType<unknown, string | null, string | null>
  edited_at: Date | null
  deleted_at: Date | null
}

export interface AttachmentTable {
  id: string
  message_id: string
  part_index: number
  channel: string
  state: Generated<string>
  handle: Json
  file_key: string | null
  name: string | null
  mime: string | null
  size: number | null
  attempts: Generated<number>
  retry_at: Generated<Date>
  reason: string | null
  created_at: Generated<Date>
}

export interface FileTable {
  key: string
  size: number
  mime: string
  name: string | null
  created_at: Generated<Date>
}

export interface SendTable {
  id: string
  message_id: string
  conversation_id: string
  touchpoint_id: string
  channel: string
  thread: string
  seq: GeneratedAlways<number>
  part: Json
  state: Generated<string>
  attempts: Generated<number>
  bugs: Generated<number>
  replanned: Generated<boolean>
  retry_at: Generated<Date>
  claim_token: string | null
  lease_until: Date | null
  external_id: string | null
  error_code: string | null
  error_message: string | null
  created_at: Generated<Date>
  settled_at: Date | null
}

export interface EarlyReceiptTable {
  channel: string
  target: string
  status: string
  at: Date
  error: ColumnType<unknown, string | null, string | null>
  received_at: Generated<Date>
}

export interface ChannelLimitTable {
  channel: string
  tokens: number
  refilled_at: Date
  paused_until: Date | null
  pause_reason: string | null
}

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
}

export interface QueueTable {
  id: string
  name: string
  settings: Json
  retired_at: Date | null
}

export interface WorkItemTable {
  id: string
  conversation_id: string
  channel: string
  channel_kind: string
  queue: string
  extra_queues: Generated<string[]>
  state: string
  waiting_reason: string | null
  priority: string
  rank_at: Date
  head_start_s: Generated<number>
  first_enqueued_at: Generated<Date>
  queued_at: Generated<Date>
  held_until: Date | null
  units: number
  skills: ColumnType<unknown, string | undefined, string>
  languages: ColumnType<unknown, string | undefined, string>
  teams: Generated<string[]>
  preferred: Generated<string[]>
  excluded: ColumnType<unknown, string | undefined, string>
  plan: Json
  plan_version: string
  step: Generated<number>
  step_from: Generated<Date>
  assignee: string | null
  epoch: Generated<number>
  created_at: Generated<Date>
  ended_at: Date | null
}

export interface OfferTable {
  id: string
  item_id: string
  conversation_id: string
  agent_id: string
  state: string
  epoch: number
  units: number
  channel_kind: string
  broadcast: Generated<boolean>
  forced: Generated<boolean>
  reason: string | null
  presented_at: Date | null
  created_at: Generated<Date>
  expires_at: Date
  decided_at: Date | null
}

export interface RoutingDecisionTable {
  id: string
  conversation_id: string
  work_item_id: string | null
  at: Generated<Date>
  trigger: string
  source: string
  rule: string | null
  version: string
  reason: string
  facts: Json
  plan: ColumnType<unknown, string | null, string | null>
  candidates: ColumnType<unknown, string | null, string | null>
}

export interface OutboxTable {
  id: GeneratedAlways<number>
  type: string
  conversation_id: string | null
  contact_id: string | null
  agent_id: string | null
  watch: string | null
  actor_kind: string
  actor_id: string | null
  cause: string | null
  data: Json
  at: Generated<Date>
}

export interface EventLogTable {
  position: number
  type: string
  conversation_id: string | null
  contact_id: string | null
  agent_id: string | null
  watch: string | null
  actor_kind: string
  actor_id: string | null
  cause: string | null
  data: Json
  at: Date
}

export interface EventHeadTable {
  id: Generated<boolean>
  position: number
}

export interface CommandDedupeTable {
  agent_id: string
  command_id: string
  request_hash: Buffer
  result: Json
  at: Generated<Date>
}

export interface PluginStateTable {
  instance: string
  key: string
  value: Json
  expires_at: Date | null
}

export interface AnalyticsCursorTable {
  instance: string
  position: number
  updated_at: Generated<Date>
}

export interface Tables {
  installation: InstallationTable
  node: NodeTable
  lease: LeaseTable
  inbox: InboxTable
  shard: ShardTable
  lane_trouble: LaneTroubleTable
  contact: ContactTable
  identifier: IdentifierTable
  contact_join: ContactJoinTable
  identity_suggestion: IdentitySuggestionTable
  conversation: ConversationTable
  touchpoint: TouchpointTable
  message: MessageTable
  attachment: AttachmentTable
  file: FileTable
  send: SendTable
  early_receipt: EarlyReceiptTable
  channel_limit: ChannelLimitTable
  agent: AgentTable
  agent_session: AgentSessionTable
  api_token: ApiTokenTable
  sign_in_code: SignInCodeTable
  ws_ticket: WsTicketTable
  agent_load: AgentLoadTable
  agent_presence: AgentPresenceTable
  presence_session: PresenceSessionTable
  agent_state_interval: AgentStateIntervalTable
  queue: QueueTable
  work_item: WorkItemTable
  offer: OfferTable
  routing_decision: RoutingDecisionTable
  outbox: OutboxTable
  event_log: EventLogTable
  event_head: EventHeadTable
  command_dedupe: CommandDedupeTable
  plugin_state: PluginStateTable
  analytics_cursor: AnalyticsCursorTable
}
