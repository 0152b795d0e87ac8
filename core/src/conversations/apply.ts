import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import type { ConversationRow } from './candidate-store.js'
import { choose, chosenValue, loadBatch, type TimelineDeps, type TimelineInput } from './choose.js'
import { contentOf, mediaOf } from './incoming-text.js'
import {
  insertAttachments,
  insertConversations,
  insertTouchpoints,
  writeTimeline,
  type NewAttachment,
  type NewConversation,
  type NewMessage,
  type NewTouchpoint,
} from './timeline-store.js'

export type { TimelineDeps, TimelineInput } from './choose.js'

/** A conversation that needs a place in a queue because of this batch. Mutable: routing fills queue, priority, tags in. */
export interface NeedsRouting {
  readonly conversation: ConversationRow
  readonly trigger: 'created' | 'reopened'
  /** Who handled this conversation last, then who had the customer's latest other one. */
  readonly formerAgents: readonly string[]
  readonly channel: string
  readonly input: TimelineInput
  readonly text: string
  /** Value of the choice that the message is. */
  readonly choice: string | null
  readonly hasAttachments: boolean
}

/** What a batch does to the timeline; written by `write` once routing has had its say. */
export interface TimelineChanges {
  readonly needsRouting: readonly NeedsRouting[]
  /** Remarks for inbox rows that changed nothing. */
  readonly remarks: ReadonlyMap<number, string>
  write(trx: Transaction<Tables>): Promise<{ readonly events: readonly NewEvent[]; readonly attachments: boolean }>
}

/**
 * Puts the messages of a batch where they belong. Reads and locks first (contacts are locked already, conversations follow),
 * then decides in memory, in the order of the inbox. Statements do not grow with the batch.
 */
export async function applyMessages(
  trx: Transaction<Tables>,
  inputs: readonly TimelineInput[],
  deps: TimelineDeps,
  foreseen: readonly ConversationRow[] = [],
): Promise<TimelineChanges> {
  const batch = await loadBatch(trx, inputs, deps, foreseen)
  const remarks = new Map<number, string>()
  const created: NewConversation[] = []
  const touchpoints: NewTouchpoint[] = []
  const messages: (NewMessage & { event: NewEvent; before: readonly NewEvent[] })[] = []
  const attachments: NewAttachment[] = []
  const touched = new Map<string, Date>()
  const changed = new Map<string, ConversationRow & { lastTouchpoint: string | null }>()
  const needs = new Map<string, NeedsRouting>()

  for (const input of inputs) {
    const { event } = input
    const echo = event.type === 'message' && event.echo === true
    const externalId = event.type === 'message' ? (event.messageId ?? input.externalId) : input.externalId
    if (echo && batch.own.has(`${input.channel}\n${externalId}`)) {
      remarks.set(input.inboxId, 'own_echo')
      continue
    }
    const automatic = event.type === 'message' && event.automatic === true
    const { text, parts } = contentOf(event)
    const before: NewEvent[] = []
    const cause = `in_${input.inboxId}`
    const placed = choose(input, text.length, automatic, echo, batch, deps)
    let conversation = placed.conversation
    if (conversation === null && echo) {
      remarks.set(input.inboxId, 'echo_without_conversation')
      continue
    }
    const isNew = conversation === null
    if (conversation === null) {
      conversation = open(input, automatic, deps)
      created.push({
        id: conversation.id,
        contact: conversation.contact,
        status: conversation.status,
        subject: conversation.subject,
        language: conversation.language,
        tags: conversation.tags,
        relatedTo: placed.relatedTo,
      })
      batch.remember(conversation)
      before.push({
        type: 'conversation.created',
        conversation: conversation.id,
        contact: conversation.contact,
        actor: { kind: 'customer', id: conversation.contact },
        cause,
        data: { channel: input.channel, relatedTo: placed.relatedTo },
      })
    }
    const touchpoint = touchpointOf(conversation, input, deps.ids, touchpoints)
    if (touchpoint.isNew && !isNew) {
      before.push({
        type: 'conversation.touchpointAdded',
        conversation: conversation.id,
        contact: conversation.contact,
        actor: { kind: 'customer', id: input.contact.id },
        cause,
        data: { touchpoint: touchpoint.id, channel: input.channel },
      })
    }
    const at = new Date(event.at)
    const late =
      conversation.lastMessageAt !== null &&
      at < conversation.lastMessageAt &&
      input.receivedAt.getTime() - at.getTime() > 60_000
    const wasResolved = conversation.status === 'resolved' && !isNew
    if (!echo) {
      if (!automatic) {
        if (conversation.status !== 'open') {
          before.push({
            type: wasResolved ? 'conversation.reopened' : 'conversation.updated',
            conversation: conversation.id,
            contact: conversation.contact,
            actor: { kind: 'customer', id: input.contact.id },
            cause,
            data: { status: 'open', from: conversation.status },
          })
        }
        conversation.status = 'open'
        conversation.snoozedUntil = null
        conversation.resolvedAt = null
        conversation.waitingSince ??= input.receivedAt
      }
      conversation.lastInboundAt = latest(conversation.lastInboundAt, input.receivedAt)
      const windowFrom = touched.get(touchpoint.id)
      if (!windowFrom || windowFrom < at) touched.set(touchpoint.id, at)
    }
    conversation.lastMessageAt = latest(conversation.lastMessageAt, at)
    conversation.subject ??= event.type === 'message' ? (event.subject?.slice(0, 500) ?? null) : null
    conversation.version += 1
    changed.set(
      conversation.id,
      Object.assign(conversation, {
        lastTouchpoint: echo ? (changed.get(conversation.id)?.lastTouchpoint ?? null) : touchpoint.id,
      }),
    )
    const choice = echo ? null : chosenValue(input, conversation, batch, deps)
    const messageId = deps.ids()
    const media = mediaOf(parts)
    for (const { index, handle } of media) {
      attachments.push({
        id: deps.ids(),
        message: messageId,
        partIndex: index,
        channel: input.channel,
        state: handle.file === undefined ? 'pending' : 'stored',
        handle: JSON.stringify(handle),
        fileKey: handle.file ?? null,
        name: handle.name ?? null,
        mime: handle.mime ?? null,
        size: handle.size ?? null,
      })
    }
    messages.push({
      id: messageId,
      conversation: conversation.id,
      touchpoint: touchpoint.id,
      channel: input.channel,
      direction: echo ? 'out' : 'in',
      authorKind: echo ? 'system' : 'customer',
      authorId: echo ? null : input.contact.id,
      text,
      parts: JSON.stringify(parts),
      subject: event.type === 'message' ? (event.subject?.slice(0, 1000) ?? null) : null,
      externalId,
      replyTo: firstOf(event.type === 'message' ? event.replyTo : event.target),
      automatic,
      providerAt: at,
      at: input.receivedAt,
      late,
      state: echo ? 'sent' : null,
      before,
      event: {
        type: echo ? 'message.echo' : 'message.inbound',
        conversation: conversation.id,
        contact: conversation.contact,
        watch: deps.watched(input.channel) ? `${input.channel}/${event.thread.id}` : null,
        actor: echo ? { kind: 'system', id: null } : { kind: 'customer', id: input.contact.id },
        cause,
        data: {
          messageId,
          channel: input.channel,
          touchpoint: touchpoint.id,
          version: conversation.version,
          at: event.at,
          text: text.slice(0, 1000),
          parts: parts.map((part) => part.type),
          ...(choice === null ? {} : { action: choice }),
          ...(automatic ? { automatic: true } : {}),
          ...(late ? { late: true } : {}),
        },
      },
    })
    if (!echo && !automatic && !conversation.hasWork && !needs.has(conversation.id)) {
      needs.set(conversation.id, {
        conversation,
        trigger: isNew ? 'created' : 'reopened',
        formerAgents: formerAgents(conversation, batch.byContact.get(input.contact.id) ?? []),
        channel: input.channel,
        input,
        text,
        choice,
        hasAttachments: media.length > 0,
      })
    }
  }

  return {
    needsRouting: [...needs.values()],
    remarks,
    async write(trx) {
      // Sent in this order, each without waiting for the one before.
      const [, , stored] = await Promise.all([
        created.length > 0 ? insertConversations(trx, created) : null,
        touchpoints.length > 0 ? insertTouchpoints(trx, touchpoints) : null,
        writeTimeline(trx, {
          messages,
          conversations: [...changed.values()],
          touchpoints: [...touched].map(([id, at]) => ({ id, at })),
        }),
      ])
      const kept = attachments.filter((one) => stored.has(one.message))
      if (kept.length > 0) await insertAttachments(trx, kept)
      const events = messages.flatMap((message) => [
        ...message.before,
        ...(stored.has(message.id) ? [message.event] : []),
      ])
      return { events, attachments: kept.some((one) => one.state === 'pending') }
    },
  }
}

function formerAgents(conversation: ConversationRow, ofContact: readonly ConversationRow[]): readonly string[] {
  const other = ofContact
    .filter((one) => one.id !== conversation.id && one.assignee !== null)
    .sort((a, b) => (b.lastMessageAt?.getTime() ?? 0) - (a.lastMessageAt?.getTime() ?? 0))[0]
  return [...new Set([conversation.assignee, other?.assignee].filter((one) => typeof one === 'string'))]
}

function open(input: TimelineInput, automatic: boolean, deps: TimelineDeps): ConversationRow {
  return {
    id: deps.ids(),
    contact: input.contact.id,
    // An out-of-office note from somebody we have no conversation with is kept, but nobody has to handle it.
    status: automatic ? 'resolved' : 'open',
    subject: input.event.type === 'message' ? (input.event.subject?.slice(0, 500) ?? null) : null,
    priority: 'normal',
    queue: null,
    assignee: null,
    tags: automatic ? ['automatic'] : [],
    language: input.contact.language,
    lastMessageAt: null,
    lastInboundAt: null,
    waitingSince: null,
    snoozedUntil: null,
    resolvedAt: automatic ? input.receivedAt : null,
    version: 1,
    createdAt: input.receivedAt,
    hasWork: false,
    touchpoints: [],
  }
}

function touchpointOf(
  conversation: ConversationRow,
  input: TimelineInput,
  ids: Ids,
  created: NewTouchpoint[],
): { id: string; isNew: boolean } {
  const { channel, event } = input
  const known = conversation.touchpoints.find((t) => t.channel === channel && t.thread === event.thread.id)
  if (known) return { id: known.id, isNew: false }
  const id = ids()
  conversation.touchpoints = [...conversation.touchpoints, { id, channel, thread: event.thread.id }]
  created.push({
    id,
    conversation: conversation.id,
    contact: conversation.contact,
    channel,
    thread: event.thread.id,
    kind: event.thread.kind ?? 'direct',
    title: event.thread.title ?? null,
  })
  return { id, isNew: true }
}

function firstOf(value: string | readonly string[] | undefined): string | null {
  if (value === undefined) return null
  return typeof value === 'string' ? value : (value[0] ?? null)
}

function latest(a: Date | null, b: Date): Date {
  return a === null || a < b ? b : a
}
