import type { Kysely, Transaction } from 'kysely'
import type { InboundEvent, Logger } from '@throughline/plugin-sdk'
import type { Clock } from '../clock.js'
import type { ChannelKind } from '../config/contract.js'
import type { EventWriter, NewEvent } from '../events/contract.js'
import { failPoint } from '../store/fail-point.js'
import type { Ids } from '../ids.js'
import type { InboundReceipt, OutboundService } from '../outbound/contract.js'
import type { Facts, NewWorkItem, Router, RoutingDecision, WorkService } from '../routing/contract.js'
import type { Tables } from '../store/tables.js'
import { transact } from '../store/transact.js'
import { insertDecisions, type NewDecision } from './decision-store.js'
import type { FreshRows } from './fresh-rows.js'
import {
  clearTrouble,
  closeBatch,
  readInHand,
  remarkRows,
  type Claim,
  type HandRow,
  type InboxRow,
} from './drain-store.js'

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
type Sender = Extract<InboundEvent, { type: 'message' }>['sender']
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

interface Routable {
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
  /** Who handled this conversation, or the customer's one before it, last. */
  readonly formerAgent: string | null
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

/**
 * Applies the rows in hand in one transaction: identity, continuity, timeline, routing, work, events, receipts, and last the
 * fence on the claim. Locks: contacts in id order, then conversations, then the rest. Any throw rolls all back.
 */
export async function applyBatch<P>(
  deps: BatchDeps<P>,
  claim: Claim,
  hand: readonly HandRow[],
  part: 'all' | 'part' = 'all',
): Promise<BatchResult> {
  const rows = deps.fresh?.take(hand) ?? (await readInHand(deps.db, hand))
  const senders = rows.flatMap((row) => {
    const sender = senderOf(row.event, deps)
    return sender === null ? [] : [{ row, channel: row.channel, sender }]
  })
  const prepared = await deps.identity.prepare(senders)
  return transact(deps.db, async (trx, last) => {
    const [identity, foreseen] = await Promise.all([
      deps.identity.resolve(trx, prepared),
      deps.timeline.foresee(trx, prepared),
    ])
    const resolvedBy = new Map(senders.map((one, i) => [one.row.id, identity.resolved[i]!]))
    const messages = rows.flatMap((row) => messageOf(row, resolvedBy))
    const timeline = await deps.timeline.apply(trx, messages, identity.joined ? [] : foreseen)
    const routed = route(deps, timeline.needsRouting)
    const written = await timeline.write(trx)
    const workEvents = routed.items.length > 0 ? await deps.work.enqueue(trx, routed.items) : []
    if (routed.decisions.length > 0) last(insertDecisions(trx, routed.decisions))
    const further = await applyFurther(deps, trx, rows, resolvedBy)
    last(deps.events.append(trx, [...identity.events, ...written.events, ...workEvents, ...further.events]))
    last(remarkRows(trx, new Map([...further.remarks, ...timeline.remarks])))
    const retried = rows.filter((row) => row.crashes > 0 || part === 'part' || hand.length === 1)
    if (retried.length > 0) last(clearTrouble(trx, [...new Set(retried.map((row) => row.lane))]))
    const closed = closeBatch(trx, claim, rows, part === 'part')
    last(closed)
    if (failPoint !== null) {
      await closed
      await failPoint('drain.before-commit')
    }
    return {
      queues: routed.queues,
      attachments: written.attachments,
      pending: routed.pending,
      told: identity.told,
    }
  })
}

function senderOf(event: InboxRow['event'], deps: { vouches: BatchDeps<unknown>['vouches'] }): Sender | null {
  switch (event.type) {
    case 'message': {
      if (event.echo === true) return null
      // A token we minted for this very recipient came back: the signature vouches for what the From line only claims.
      if (
        event.replyToken !== undefined &&
        event.sender.assurance === 'claimed' &&
        deps.vouches(event.replyToken, event.thread.id)
      ) {
        return {
          ...event.sender,
          assurance: 'verified',
          identifiers: (event.sender.identifiers ?? []).map((i) =>
            i.value === event.thread.id ? { ...i, assurance: 'verified' } : i,
          ),
        }
      }
      return event.sender
    }
    case 'action':
    case 'consent':
    case 'profile':
    case 'reaction':
      return event.sender
    default:
      return null
  }
}

const nobody: ResolvedSender = {
  contact: { id: '00000000-0000-0000-0000-000000000000', tier: null, language: null, attributes: {} },
  isNew: false,
  verified: false,
}

function messageOf(row: InboxRow, resolved: ReadonlyMap<number, ResolvedSender>): BatchMessage[] {
  const { event } = row
  if (event.type !== 'message' && event.type !== 'action') return []
  const who = resolved.get(row.id) ?? nobody
  return [
    {
      inboxId: row.id,
      channel: row.channel,
      externalId: row.externalId,
      event,
      receivedAt: row.receivedAt,
      contact: who.contact,
      verified: who.verified,
    },
  ]
}

/** Asks the router for all conversations at once and turns its decisions into work items. */
function route<P>(deps: BatchDeps<P>, needs: readonly Routable[]) {
  const items: NewWorkItem[] = []
  const decisions: NewDecision[] = []
  const pending: PendingRoute[] = []
  if (needs.length === 0) return { items, decisions, pending, queues: [] as string[] }
  const now = new Date(deps.clock.now()).toISOString()
  const requests = needs.map((need) => ({
    trigger: need.trigger,
    facts: factsOf(need, now, deps.channelKind(need.channel)),
  }))
  const batch = deps.router.decide(requests)
  needs.forEach((need, i) => {
    const made = batch.decisions[i]!
    const { conversation } = need
    const { work } = made
    const id = deps.ids()
    if (work === null) {
      conversation.status = 'resolved'
      conversation.resolvedAt = need.input.receivedAt
    } else {
      const { plan } = work
      conversation.queue = plan.queue
      conversation.priority = plan.priority
      conversation.tags = [...new Set([...conversation.tags, ...(plan.tags ?? [])])]
      items.push({
        id,
        conversation: conversation.id,
        channel: need.channel,
        channelKind: deps.channelKind(need.channel),
        plan,
        planVersion: made.version,
        held: made.pending ? { until: null, reason: 'routing' } : work.held,
        // Whoever handled it last knows it best, after those the plan names.
        overcommit: work.overcommit ?? [],
        preferred: [...new Set([...work.preferred, ...(need.formerAgent === null ? [] : [need.formerAgent])])],
        returnsTo: need.trigger === 'reopened' ? need.formerAgent : null,
      })
      if (made.pending) pending.push({ item: id, decision: made.pending })
    }
    decisions.push({
      id: deps.ids(),
      conversation: conversation.id,
      workItem: work === null ? null : id,
      trigger: need.trigger,
      source: made.source,
      rule: made.rule,
      version: made.version,
      reason: made.decision.reason,
      facts: JSON.stringify({ ...(made.facts ?? requests[i]!.facts), random: made.random }),
      plan: work === null ? null : JSON.stringify(work.plan),
    })
  })
  return { items, decisions, pending, queues: [...new Set(items.map((item) => item.plan.queue))] }
}

function factsOf(need: Routable, now: string, kind: ChannelKind): Facts {
  const { conversation, input } = need
  return Object.freeze({
    now,
    contact: {
      id: input.contact.id,
      tier: input.contact.tier,
      language: input.contact.language,
      verified: input.verified,
      attributes: input.contact.attributes,
    },
    conversation: {
      id: conversation.id,
      status: conversation.status,
      priority: conversation.priority,
      tags: conversation.tags,
      language: conversation.language,
      subject: conversation.subject,
      isNew: need.trigger === 'created',
      lastAgent: conversation.assignee,
    },
    message: {
      text: need.text.slice(0, 2000),
      length: need.text.length,
      automatic: false,
      hasAttachments: need.hasAttachments,
      choice: need.choice,
    },
    channel: { id: need.channel, kind },
  })
}

/** Everything that is not a message: receipts as one set, the rarer rest one by one. */
async function applyFurther<P>(
  deps: BatchDeps<P>,
  trx: Transaction<Tables>,
  rows: readonly InboxRow[],
  resolved: ReadonlyMap<number, ResolvedSender>,
): Promise<{ events: NewEvent[]; remarks: Map<number, string> }> {
  const events: NewEvent[] = []
  const remarks = new Map<number, string>()
  const receipts: InboundReceipt[] = []
  for (const row of rows) {
    const { event } = row
    const cause = `in_${row.id}`
    const who = resolved.get(row.id)?.contact.id ?? null
    switch (event.type) {
      case 'receipt':
      case 'read':
        if (event.target === undefined) break
        receipts.push({
          channel: row.channel,
          target: event.target,
          status: event.type === 'read' ? 'read' : event.status,
          at: new Date(event.at),
          watermark: event.type === 'read' || event.watermark === true,
          thread: event.thread?.id ?? null,
          error: event.type === 'receipt' ? (event.error ?? null) : null,
          cause,
        })
        break
      case 'edit':
      case 'delete':
      case 'reaction': {
        const hit = await deps.timeline.change(trx, {
          channel: row.channel,
          target: event.target,
          kind: event.type,
          text: event.type === 'edit' ? (event.text ?? null) : null,
          emoji: event.type === 'reaction' ? event.emoji : null,
          by: who ?? event.thread.id,
        })
        if (hit === null) {
          remarks.set(row.id, 'target_unknown')
          break
        }
        events.push({
          type:
            event.type === 'edit' ? 'message.edited' : event.type === 'delete' ? 'message.deleted' : 'message.reaction',
          conversation: hit.conversation,
          contact: hit.contact,
          watch: hit.thread !== null && deps.watched(row.channel) ? `${row.channel}/${hit.thread}` : null,
          actor: { kind: 'customer', id: who ?? hit.contact },
          cause,
          data: {
            messageId: hit.message,
            channel: row.channel,
            ...(event.type === 'edit' && event.text !== undefined ? { text: event.text.slice(0, 1000) } : {}),
            ...(event.type === 'reaction' ? { emoji: event.emoji } : {}),
          },
        })
        break
      }
      case 'consent':
        if (who !== null) {
          await deps.identity.consent(trx, who, event.granted)
          events.push({
            type: 'contact.updated',
            contact: who,
            actor: { kind: 'customer', id: who },
            cause,
            data: { consent: event.granted },
          })
        }
        break
      default:
        break
    }
  }
  if (receipts.length > 0) events.push(...(await deps.outbound.applyReceipts(trx, receipts)))
  return { events, remarks }
}
