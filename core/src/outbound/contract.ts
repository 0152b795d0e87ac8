import type { Part } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Actor } from '../identity/contract.js'
import type { Tables } from '../store/tables.js'

/** What an agent, a bot or the engine wants to say. */
export interface OutgoingMessage {
  readonly conversation: string
  /** Channel to answer on; default: the touchpoint the customer wrote on last. */
  readonly channel?: string
  readonly touchpoint?: string
  readonly parts: readonly Part[]
  /** Name of a file in config/templates and its values, instead of parts. */
  readonly template?: { readonly name: string; readonly values: Readonly<Record<string, unknown>> }
  readonly replyTo?: string
  readonly author: Actor & { readonly kind: 'agent' | 'bot' | 'system' }
  readonly cause?: string
}

export interface SendPlan {
  readonly channel: string
  readonly touchpoint: string
  readonly parts: readonly Part[]
  /** What the channel cannot show, in words for the agent; shown before sending. */
  readonly losses: readonly string[]
  /** Reply window of the channel, if it has one. */
  readonly window: {
    readonly open: boolean
    readonly closesAt: Date | null
    readonly after: 'template' | 'never' | null
  }
}

export interface OutboundService {
  /** Dry run: what would be sent and what would be lost. */
  preview(message: OutgoingMessage): Promise<SendPlan>
  /**
   * Durably queues the message: row, sends and events in one transaction that locks the conversation. `trx`: join the
   * caller's transaction (command dedupe). Throws TL_CHANNEL_WINDOW_CLOSED, TL_CHANNEL_UNSUPPORTED, TL_COMMAND_NOT_FOUND.
   */
  queue(
    message: OutgoingMessage,
    trx?: Transaction<Tables>,
  ): Promise<{ readonly messageId: string; readonly losses: readonly string[] }>
  /** Tries a failed, dead or unknown message again. `within` runs in the act's transaction (command dedupe). */
  retry(
    messageId: string,
    actor: Actor,
    cause?: string,
    within?: (trx: Transaction<Tables>) => Promise<void>,
  ): Promise<void>
  /** Takes back what has not left yet. */
  cancel(
    messageId: string,
    actor: Actor,
    cause?: string,
    within?: (trx: Transaction<Tables>) => Promise<void>,
  ): Promise<void>
  /** Wakes the delivery of these lanes on this node; the job is the safety net. */
  wake(): void
  /** Applies receipts to sends; those without a send yet are kept. Set-based, inside the drain's transaction. */
  applyReceipts(trx: Transaction<Tables>, receipts: readonly InboundReceipt[]): Promise<readonly NewEvent[]>
}

/** Answers that were on their way when the backup was made that has been restored. */
export interface HeldSends {
  list(): Promise<readonly { readonly channel: string; readonly messages: number; readonly oldest: Date }[]>
  /** Sends them (again), of one channel or (null) of all. Answers how many messages. */
  release(channel: string | null): Promise<number>
}

export interface InboundReceipt {
  readonly channel: string
  readonly target: string
  readonly status: 'sent' | 'delivered' | 'read' | 'failed'
  readonly at: Date
  readonly watermark: boolean
  readonly thread: string | null
  readonly error: { readonly code: string; readonly message?: string } | null
  readonly cause: string
}
