import type { AgentAccounts } from '../agents/contract.js'
import type { WebhookService } from '../events/webhooks/contract.js'
import type { InboxService } from '../inbound/contract.js'
import type { HeldSends } from '../outbound/contract.js'
import type { ReplanService, Rules } from '../routing/contract.js'
import type { Strike } from '../plugins/strike-store.js'
import type { SlaService } from '../sla/contract.js'
import type { DecisionHistory } from '../routing/rules/history-store.js'

export interface EngineOptions {
  readonly configFile: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface RunningEngine {
  stop(): Promise<void>
  /** Exit code of an engine that ended by itself. */
  readonly done: Promise<number>
}

/** Services for one command: database open and migrated, nothing listening, no plugin started. */
export interface CommandServices {
  readonly accounts: AgentAccounts
  readonly inbox: InboxService
  /** Answers that a restore holds. */
  readonly held: HeldSends
  readonly webhooks: WebhookService
  /** What was promised, and what became of it. */
  readonly sla: Pick<SlaService, 'explain'>
  /** Plugin instances that took a process down, and the way back. */
  readonly quarantine: {
    list(): Promise<readonly Strike[]>
    /** Answers how many strikes were taken back. */
    release(instance: string): Promise<number>
  }
  /** Decisions as they were recorded. */
  readonly history: DecisionHistory
  /** Why a conversation went where it went, oldest first. */
  decisions(conversation: string): Promise<readonly unknown[]>
  /** Plans waiting items anew, by these rules. */
  replan(rules: Rules & { version(file: 'routing'): string | null }): ReplanService
  close(): Promise<void>
}

/** What the command line asks of the engine; main.ts exports it. Imported only by the commands that need it. */
export interface EngineEntry {
  startEngine(options: EngineOptions): Promise<RunningEngine>
  openServices(options: EngineOptions): Promise<CommandServices>
}

export async function loadEngine(): Promise<EngineEntry> {
  const main: Partial<EngineEntry> = await import('../main.js')
  const absent = (): never => {
    throw new Error('this build has no engine')
  }
  return { startEngine: main.startEngine ?? absent, openServices: main.openServices ?? absent }
}
