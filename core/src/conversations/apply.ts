import type { Transaction } from 'kysely'
import type { InboundEvent } from '@throughline/plugin-sdk'
import type { ChannelKind } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import {
  findByExternalIds,
  findByThreads,
  lockCandidates,
  lockConversations,
  ownSends,
  type ConversationRow,
} from './candidate-store.js'
import { contentOf, mediaOf } from './incoming-text.js'
import { place, type Continuity } from './place.js'
import {
  insertAttachments,
  insertConversations,
  insertMessages,
  insertTouchpoints,
  touchTouchpoints,
  updateConversations,
  type NewAttachment,
  type NewConversation,
  type NewMessage,
  type NewTouchpoint,
} from './timeline-store.js'

export interface TimelineDeps {
  readonly ids: Ids
  readonly continuity: Continuity
  readonly channelKind: (channel: string) => ChannelKind
  /** The channel serves its own clients (web chat), which wait for events of their thread. */
  readonly watched: (channel: string) => boolean
  /** The conversation a signed reply token stands for, if it was minted for this thread. */
  readonly openReplyToken: (token: string, thread: string) => string | null
}

type Said = Extract<InboundEvent, { type: 'message' | 'action' }>

/** One message of a batch with the contact it came from. */
export interface TimelineInput {
  readonly inboxId: number
  readonly channel: string
  readonly externalId: string
  readonly event: Said & { readonly at: number }
  readonly receivedAt: Date
  readonly contact: {
    readonly id: string
    readonly tier: string | null
    readonly language: string | null
    readonly attributes: Readonly<Record<string, unknown>>
  }
  readonly verified: boolean
}

/** A conversation that needs a place in a queue because of this batch. Mutable: routing fills queue, priority, tags in. */
export interface NeedsRouting {
  readonly conversation: ConversationRow
  readonly trigger: 'created' | 'reopened'
  readonly channel: string
  readonly input: TimelineInput
  readonly text: string
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
): Promise<TimelineChanges> {
  const batch = await load(trx, inputs, deps)
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
          ...(event.type === 'action' ? { action: event.value } : {}),
          ...(automatic ? { automatic: true } : {}),
          ...(late ? { late: true } : {}),
        },
      },
    })
    if (!echo && !automatic && !conversation.hasWork && !needs.has(conversation.id)) {
      needs.set(conversation.id, {
        conversation,
        trigger: isNew ? 'created' : 'reopened',
        channel: input.channel,
        input,
        text,
        hasAttachments: media.length > 0,
      })
    }
  }

  return {
    needsRouting: [...needs.values()],
    remarks,
    async write(trx) {
      if (created.length > 0) await insertConversations(trx, created)
      if (touchpoints.length > 0) await insertTouchpoints(trx, touchpoints)
      const stored = messages.length > 0 ? await insertMessages(trx, messages) : new Set<string>()
      if (changed.size > 0) await updateConversations(trx, [...changed.values()])
      if (touched.size > 0)
        await touchTouchpoints(
          trx,
          [...touched].map(([id, at]) => ({ id, at })),
        )
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

interface Batch {
  readonly byContact: Map<string, ConversationRow[]>
  readonly byId: Map<string, ConversationRow>
  readonly byReference: Map<string, { conversation: string; contact: string }>
  readonly byThread: Map<string, string>
  readonly own: ReadonlySet<string>
  remember(conversation: ConversationRow): void
}

async function load(trx: Transaction<Tables>, inputs: readonly TimelineInput[], deps: TimelineDeps): Promise<Batch> {
  const contacts = [...new Set(inputs.map((input) => input.contact.id))].sort()
  const rows = contacts.length > 0 ? await lockCandidates(trx, contacts) : []
  const references = inputs.flatMap(({ channel, event }) =>
    replyIds(event).map((externalId) => ({ channel, externalId })),
  )
  const found = references.length > 0 ? await findByExternalIds(trx, references) : []
  const threads = inputs.filter(
    ({ event }) => event.thread.kind === 'group' || (event.type === 'message' && event.echo === true),
  )
  const byThread = new Map(
    (threads.length > 0
      ? await findByThreads(
          trx,
          threads.map(({ channel, event }) => ({ channel, thread: event.thread.id })),
        )
      : []
    ).map((row) => [`${row.channel}\n${row.thread}`, row.conversation]),
  )
  const echoes = inputs.filter(({ event }) => event.type === 'message' && event.echo === true)
  const own =
    echoes.length > 0
      ? await ownSends(
          trx,
          echoes.map(({ channel, externalId, event }) => ({
            channel,
            externalId: (event.type === 'message' ? event.messageId : undefined) ?? externalId,
          })),
        )
      : new Set<string>()
  const known = new Set(rows.map((row) => row.id))
  const tokens = inputs.flatMap(({ event }) => {
    const token = event.type === 'message' ? event.replyToken : undefined
    return token === undefined ? [] : (deps.openReplyToken(token, event.thread.id) ?? [])
  })
  const further = [...new Set([...found.map((row) => row.conversation), ...byThread.values(), ...tokens])].filter(
    (id) => !known.has(id),
  )
  if (further.length > 0) rows.push(...(await lockConversations(trx, further)))
  const byContact = new Map<string, ConversationRow[]>()
  const byId = new Map<string, ConversationRow>()
  for (const raw of rows) {
    const row = { ...raw }
    byId.set(row.id, row)
    if (known.has(row.id)) byContact.set(row.contact, [...(byContact.get(row.contact) ?? []), row])
  }
  return {
    byContact,
    byId,
    byThread,
    own,
    byReference: new Map(found.map((row) => [`${row.channel}\n${row.externalId}`, row])),
    remember(conversation) {
      byId.set(conversation.id, conversation)
      byContact.set(conversation.contact, [conversation, ...(byContact.get(conversation.contact) ?? [])])
    },
  }
}

/**
 * A signed reply token, then the message answered or quoted, then the continuity rules. A reference into somebody else's
 * conversation opens nothing: the new conversation only notes that it may be related (T3).
 */
function choose(
  input: TimelineInput,
  length: number,
  automatic: boolean,
  echo: boolean,
  batch: Batch,
  deps: TimelineDeps,
): { conversation: ConversationRow | null; relatedTo: string | null } {
  const { event, channel } = input
  const thread = event.thread.id
  if (echo || event.thread.kind === 'group') {
    const id =
      batch.byThread.get(`${channel}\n${thread}`) ??
      [...batch.byId.values()].find((c) => c.touchpoints.some((t) => t.channel === channel && t.thread === thread))?.id
    const row = id === undefined ? undefined : batch.byId.get(id)
    if (row && (echo || row.status !== 'resolved')) return { conversation: row, relatedTo: null }
    if (echo) return { conversation: null, relatedTo: null }
  }
  let relatedTo: string | null = null
  const token =
    event.type === 'message' && event.replyToken !== undefined ? deps.openReplyToken(event.replyToken, thread) : null
  const pointed = [token, ...replyIds(event).map((id) => batch.byReference.get(`${channel}\n${id}`)?.conversation)]
  for (const id of pointed) {
    if (id === null || id === undefined) continue
    const row = batch.byId.get(id)
    if (row && row.contact === input.contact.id) return { conversation: row, relatedTo: null }
    relatedTo ??= id
  }
  const candidates = batch.byContact.get(input.contact.id) ?? []
  const row = place(
    {
      channel,
      channelKind: deps.channelKind(channel),
      thread,
      automatic,
      length,
      hasSubject: event.type === 'message' && event.subject !== undefined,
      verified: input.verified,
      tier: input.contact.tier,
      at: input.receivedAt,
    },
    candidates,
    deps.continuity,
  )
  return { conversation: row, relatedTo: row ? null : relatedTo }
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

function replyIds(event: Said): readonly string[] {
  if (event.type === 'action') return event.target === undefined ? [] : [event.target]
  if (event.replyTo === undefined) return []
  return typeof event.replyTo === 'string' ? [event.replyTo] : event.replyTo.slice(0, 50)
}

function firstOf(value: string | readonly string[] | undefined): string | null {
  if (value === undefined) return null
  return typeof value === 'string' ? value : (value[0] ?? null)
}

function latest(a: Date | null, b: Date): Date {
  return a === null || a < b ? b : a
}
