import type { Logger } from '@throughline/plugin-sdk'
import type { Agents } from '../agents/agents.js'
import type { AgentAccounts } from '../agents/contract.js'
import type { AnalyticsRunner } from '../analytics/runner.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config/contract.js'
import type { ConversationService } from '../conversations/contract.js'
import type { EventReader } from '../events/contract.js'
import type { WebhookService } from '../events/webhooks/contract.js'
import type { IdentityService } from '../identity/contract.js'
import type { Ids } from '../ids.js'
import type { InboxService, Ingress } from '../inbound/contract.js'
import type { FileSystem } from '../plugins/files.js'
import type { PluginHost } from '../plugins/contract.js'
import type { PresenceService, ReplanService, WorkService } from '../routing/contract.js'
import type { RuleService } from '../routing/rules/rules.js'
import type { SlaService } from '../sla/contract.js'

/** Everything the routes call. Services only; no route knows a table. */
export interface HttpDeps {
  readonly config: Config
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  readonly accounts: AgentAccounts
  readonly agents: Agents
  readonly identity: IdentityService
  readonly conversations: ConversationService
  readonly work: WorkService
  readonly presence: PresenceService
  readonly rules: Pick<RuleService, 'status'>
  readonly replan: ReplanService
  readonly sla: Pick<SlaService, 'clocksOf' | 'openClocks'>
  readonly inbox: InboxService
  readonly ingress: Ingress
  readonly reader: EventReader
  readonly plugins: PluginHost
  readonly files: FileSystem
  readonly analytics: AnalyticsRunner
  readonly webhooks: WebhookService
  /** Counters of plugins, as Prometheus text. */
  readonly metrics: () => string
  /** Throws when the database does not answer. */
  readonly ping: () => Promise<void>
}
