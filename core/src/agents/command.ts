import type { Transaction } from 'kysely'
import type { ConversationService } from '../conversations/contract.js'
import type { EventReader } from '../events/contract.js'
import type { IdentityService } from '../identity/contract.js'
import type { OutboundService } from '../outbound/contract.js'
import type { PresenceService, SupervisionService, WorkforceService, WorkService } from '../routing/contract.js'
import type { SlaService } from '../sla/contract.js'
import type { Tables } from '../store/tables.js'
import type { AgentAccounts, Principal, Scope } from './contract.js'

/** What commands act through. */
export interface CommandDeps {
  readonly conversations: ConversationService
  readonly identity: IdentityService
  readonly outbound: OutboundService
  readonly work: WorkService
  readonly presence: PresenceService
  readonly supervision: SupervisionService
  readonly workforce: WorkforceService
  readonly sla: Pick<SlaService, 'waive'>
  readonly accounts: AgentAccounts
  readonly reader: Pick<EventReader, 'publish'>
  /** Runs in one transaction; the events of it are sequenced after the commit. */
  readonly transact: <T>(run: (trx: Transaction<Tables>) => Promise<T>) => Promise<T>
}

export interface CommandContext {
  readonly principal: Principal
  readonly actor: { readonly kind: 'agent'; readonly id: string }
  /** Id of the command, carried by every event it causes. */
  readonly cause: string
  readonly ifVersion?: number
  /** Stores the command's result inside the transaction of its effect; called at most once. */
  readonly within: (trx: Transaction<Tables>, result?: unknown) => Promise<void>
}

type Json = Readonly<Record<string, unknown>>

/** One command of agent.v1. The schema is the truth: validators, documentation and the test table come from it. */
export interface Command {
  readonly type: string
  readonly scope: Scope | null
  readonly summary: string
  /** Changes something: takes an id, is run once however often it is sent. */
  readonly mutates: boolean
  /** Fire and forget: no result is sent. */
  readonly ephemeral?: boolean
  readonly schema: Json
  readonly run: (deps: CommandDeps, data: never, context: CommandContext) => Promise<unknown>
}

/** Keeps the data's type inside `run` while the table of commands stays uniform. */
export function command<D>(
  spec: Omit<Command, 'run' | 'schema'> & {
    readonly properties: Json
    readonly required?: readonly string[]
    readonly run: (deps: CommandDeps, data: D, context: CommandContext) => Promise<unknown>
  },
): Command {
  const { properties, required, run, ...rest } = spec
  return Object.freeze({
    ...rest,
    schema: { type: 'object', additionalProperties: false, properties, required: required ?? [] },
    run: run,
  })
}

export const id = { type: 'string', format: 'uuid' } as const
export const name = { type: 'string', minLength: 1, maxLength: 100 } as const
export const text = { type: 'string', minLength: 1, maxLength: 65_536 } as const
export const page = { type: 'integer', minimum: 1, maximum: 100, default: 50 } as const
export const cursor = { type: 'string', maxLength: 300 } as const
