import type {
  AgentTable,
  AgentSessionTable,
  ApiTokenTable,
  SignInCodeTable,
  WsTicketTable,
  AgentLoadTable,
  AgentPresenceTable,
  PresenceSessionTable,
  AgentStateIntervalTable,
  AgentShiftTable,
  SupervisionTable,
} from './agent-tables.js'
import type {
  ConversationTable,
  TouchpointTable,
  MessageTable,
  AttachmentTable,
  FileTable,
} from './conversation-tables.js'
import type {
  OutboxTable,
  EventLogTable,
  EventHeadTable,
  CommandDedupeTable,
  PluginQuarantineTable,
  PluginStateTable,
  AnalyticsCursorTable,
  WebhookDeliveryTable,
  WebhookEndpointTable,
} from './event-tables.js'
import type { ContactTable, IdentifierTable, ContactJoinTable, IdentitySuggestionTable } from './identity-tables.js'
import type { InboxTable, InboxWaitingTable, ShardTable, LaneTroubleTable } from './inbound-tables.js'
import type { InstallationTable, NodeTable, LeaseTable } from './installation-tables.js'
import type { SendTable, EarlyReceiptTable, ChannelLimitTable } from './outbound-tables.js'
import type { RuleVersionTable } from './rule-tables.js'
import type { ClosedAnswerTable, QueueTable, WorkItemTable, OfferTable, RoutingDecisionTable } from './work-tables.js'
import type {
  CalendarVersionTable,
  SlaClockTable,
  SlaConversationTable,
  SlaCursorTable,
  SlaWaiverTable,
} from './sla-tables.js'

/**
 * The tables as Kysely sees them; the migrations are the truth and say what each column means. int8 is read as number,
 * timestamptz as Date. JSON columns are written as text (JSON.stringify) and read parsed.
 */
export interface Tables {
  installation: InstallationTable
  node: NodeTable
  lease: LeaseTable
  inbox: InboxTable
  inbox_waiting: InboxWaitingTable
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
  agent_shift: AgentShiftTable
  supervision: SupervisionTable
  queue: QueueTable
  closed_answer: ClosedAnswerTable
  work_item: WorkItemTable
  offer: OfferTable
  routing_decision: RoutingDecisionTable
  rule_version: RuleVersionTable
  outbox: OutboxTable
  event_log: EventLogTable
  event_head: EventHeadTable
  command_dedupe: CommandDedupeTable
  plugin_state: PluginStateTable
  plugin_quarantine: PluginQuarantineTable
  analytics_cursor: AnalyticsCursorTable
  webhook_endpoint: WebhookEndpointTable
  webhook_delivery: WebhookDeliveryTable
  sla_clock: SlaClockTable
  sla_conversation: SlaConversationTable
  sla_cursor: SlaCursorTable
  sla_waiver: SlaWaiverTable
  calendar_version: CalendarVersionTable
}
