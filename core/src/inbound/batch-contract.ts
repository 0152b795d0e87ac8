import type { Kysely, Transaction } from 'kysely'
import type { InboundEvent, Logger } from '@throughline/plugin-sdk'
import type { Clock } from '../clock.js'
import type { ChannelKind } from '../config/contract.js'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { OutboundService } from '../outbound/contract.js'
import type { Router, RoutingDecision, WorkService } from '../routing/contract.js'
import type { Tables } from '../store/tables.js'
import type { FreshRows } from './fresh-rows.js'

/** What the drain needs from identity and conversations, as the kernel wires it. */
export interface BatchIdentity<Prepared, Told = unknown> {
  prepare(senders: readonly { channel: string; sender: Sender }[]): Promise<readonly Prepared[]>
  resolve(
    trx: Transaction<Tables>,
    senders: readonly Prepared[],
  ): Promise<{
    readonly resolved: readonly ResolvedSender[]
    readonly events: readonly NewEvent[]
    readonly told: readonly Told[]
    /** Contacts were joined: what was foreseen of their conversations is out of date. */
    readonly joined: boolean
  }>
  /** After the commit: identifiers that are new may fit somebody else's. */
  suggest(told: readonly Told[]): Promise<void>
  consent(trx: Transaction<Tables>, contact: string, granted: boolean): Promise<void>
  isStale(error: unknown): boolean
}
export type Sender = Extract<InboundEvent, { type: 'message' }>['sender']
type Said = Extract<InboundEvent, { type: 'message' | 'action' }>

export interface ResolvedSender {
  readonly contact: {
    readonly id: string
    readonly tier: string | null
    readonly language: string | null
    readonly attributes: Readonly<Record<string, unknown>>
  }
  readonly isNew: boolean
  readonly verified: boolean
}

export interface BatchMessage {
  readonly inboxId: number
  readonly channel: string
  readonly externalId: string
  readonly event: Said & { readonly at: number }
  readonly receivedAt: Date
  readonly contact: ResolvedSender['contact']
  readonly verified: boolean
}

export interface Routable {
  readonly conversation: {
    readonly id: string
    status: string
    subject: string | null
    priority: string
    queue: string | null
    resolvedAt: Date | null
    readonly assignee: string | null
    tags: readonly string[]
    readonly language: string | null
  }
  readonly trigger: 'created' | 'reopened'
  /** Who handled this conversation last, then who had the customer's latest other one. */
  readonly formerAgents: readonly string[]
  readonly channel: string
  readonly input: BatchMessage
  readonly text: string
  readonly choice: string | null
  readonly hasAttachments: boolean
}

export interface BatchTimeline<Prepared, Foreseen = unknown> {
  /**
   * The conversations of whoever these senders turn out to be, read and locked. Sent right behind `resolve`, which locks the
   * contacts first, and without waiting for it.
   */
  foresee(trx: Transaction<Tables>, senders: readonly Prepared[]): Promise<readonly Foreseen[]>
  apply(
    trx: Transaction<Tables>,
    messages: readonly BatchMessage[],
    foreseen: readonly Foreseen[],
  ): Promise<{
    readonly needsRouting: readonly Routable[]
    readonly remarks: ReadonlyMap<number, string>
    write(trx: Transaction<Tables>): Promise<{ readonly events: readonly NewEvent[]; readonly attachments: boolean }>
  }>
  change(
    trx: Transaction<Tables>,
    change: {
      channel: string
      target: string
      kind: 'edit' | 'delete' | 'reaction'
      text: string | null
      emoji: string | null
      by: string | null
    },
  ): Promise<{ message: string; conversation: string; contact: string; thread: string | null } | null>
}

export interface BatchDeps<Prepared> {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly clock: Clock
  readonly ids: Ids
  readonly identity: BatchIdentity<Prepared>
  readonly timeline: BatchTimeline<Prepared>
  readonly router: Router
  readonly work: WorkService
  readonly outbound: Pick<OutboundService, 'applyReceipts'>
  readonly events: Pick<EventWriter, 'append'>
  readonly channelKind: (channel: string) => ChannelKind
  /** The channel serves its own clients (web chat), which wait for events of their thread. */
  readonly watched: (channel: string) => boolean
  /** Rows this node has just stored itself. */
  readonly fresh?: FreshRows | undefined
  /** True when the token was minted for this thread: then the signature vouches for the sender. */
  readonly vouches: (token: string, thread: string) => boolean
}

export interface BatchResult {
  readonly queues: readonly string[]
  readonly attachments: boolean
  readonly pending: readonly PendingRoute[]
  /** Identifiers that are new, for `identity.suggest`. */
  readonly told: readonly unknown[]
}

/** An asynchronous routing plugin was asked; its item is held until `decision` settles (at most 500 ms). */
export interface PendingRoute {
  readonly item: string
  readonly decision: NonNullable<RoutingDecision['pending']>
}
