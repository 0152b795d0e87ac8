import type { Part } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Actor } from '../identity/contract.js'

export type ConversationStatus = 'open' | 'pending' | 'snoozed' | 'resolved' | 'joined'

export interface ConversationView {
  readonly id: string
  readonly contact: string
  readonly status: ConversationStatus
  readonly subject: string | null
  readonly priority: 'urgent' | 'high' | 'normal' | 'low'
  readonly queue: string | null
  readonly assignee: string | null
  readonly tags: readonly string[]
  readonly language: string | null
  readonly touchpoints: readonly TouchpointView[]
  /** Touchpoint the customer wrote on last: where answers go by default. */
  readonly lastTouchpoint: string | null
  readonly lastMessageAt: Date | null
  readonly waitingSince: Date | null
  readonly snoozedUntil: Date | null
  readonly resolvedAt: Date | null
  readonly joinedInto: string | null
  readonly relatedTo: string | null
  readonly version: number
  readonly createdAt: Date
}

export interface TouchpointView {
  readonly id: string
  readonly channel: string
  readonly thread: string
  readonly title: string | null
  readonly lastInboundAt: Date | null
}

export interface MessageView {
  readonly id: string
  readonly conversation: string
  readonly touchpoint: string | null
  readonly channel: string | null
  readonly direction: 'in' | 'out' | 'note'
  readonly author: {
    readonly kind: 'customer' | 'agent' | 'bot' | 'system'
    readonly id: string | null
    readonly name: string | null
  }
  readonly text: string
  readonly parts: readonly Part[]
  readonly subject: string | null
  readonly replyTo: string | null
  readonly automatic: boolean
  readonly providerAt: Date
  readonly at: Date
  readonly late: boolean
  readonly state: string | null
  readonly losses: readonly string[]
  readonly reactions: unknown
  readonly attachments: readonly {
    readonly id: string
    readonly partIndex: number
    readonly state: string
    readonly name: string | null
    readonly mime: string | null
    readonly size: number | null
    readonly url: string | null
    readonly reason: string | null
  }[]
  readonly editedAt: Date | null
  readonly deletedAt: Date | null
}

/** Reads and acts on conversations. Every act locks the conversation row, bumps `version`, and writes events. */
export interface ConversationService {
  get(id: string): Promise<ConversationView | null>
  list(filter: {
    readonly status?: ConversationStatus
    readonly assignee?: string
    readonly queue?: string
    readonly contact?: string
    readonly limit: number
    readonly cursor?: string
  }): Promise<{ readonly items: readonly ConversationView[]; readonly next: string | null }>
  /** The chronological timeline over all touchpoints, newest page first, ascending within the page. */
  history(
    id: string,
    page: { readonly before?: string; readonly limit: number },
  ): Promise<{ readonly items: readonly MessageView[]; readonly next: string | null }>
  message(id: string): Promise<MessageView | null>
  setStatus(
    id: string,
    to: { readonly status: 'open' | 'pending' | 'snoozed' | 'resolved'; readonly until?: Date },
    context: ActContext,
  ): Promise<ConversationView>
  update(
    id: string,
    patch: {
      readonly subject?: string
      readonly tags?: readonly string[]
      readonly priority?: ConversationView['priority']
      readonly language?: string | null
    },
    context: ActContext,
  ): Promise<ConversationView>
  /** `whisper`: for the agent who has the conversation, from somebody who watches. Customers see no notes. */
  addNote(
    id: string,
    text: string,
    context: ActContext,
    options?: { readonly whisper?: boolean },
  ): Promise<{ readonly messageId: string }>
  /** Everything of `from` moves into `into`; `from` becomes `joined`. Both belong to one contact, else TL_COMMAND_CONFLICT. */
  join(from: string, into: string, context: ActContext): Promise<ConversationView>
  /** Moves the messages into a new conversation of the same contact. */
  split(id: string, messageIds: readonly string[], context: ActContext): Promise<ConversationView>
  /** Wakes conversations whose snooze is over; a cron task calls it. Answers how many. */
  wakeSnoozed(): Promise<number>
}

/** Who acts, on whose command, expecting which version. */
export interface ActContext {
  readonly actor: Actor
  readonly cause?: string
  readonly ifVersion?: number
  /** Runs inside the act's transaction, after its effect: for the stored result of a command. */
  readonly within?: (trx: Transaction<Tables>, result: unknown) => Promise<void>
}
