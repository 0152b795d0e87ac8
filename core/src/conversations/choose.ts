import type { Transaction } from 'kysely'
import type { Choice, InboundEvent } from '@throughline/plugin-sdk'
import type { ChannelKind } from '../config/contract.js'
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
import { place, type Continuity } from './place.js'

export interface TimelineDeps {
  readonly ids: Ids
  readonly continuity: Continuity
  readonly channelKind: (channel: string) => ChannelKind
  /** The channel serves its own clients (web chat), which wait for events of their thread. */
  readonly watched: (channel: string) => boolean
  /** The conversation a signed reply token stands for, if it was minted for this thread. */
  readonly openReplyToken: (token: string, thread: string) => string | null
  /** Which of the choices a typed answer means, if it is one for certain. */
  readonly chosen: (text: string, choices: readonly Choice[]) => Choice | null
}

/** Longer texts are no answer to a list. */
const MAX_ANSWER = 200

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

/** What a batch of messages may belong to: locked, and changed in memory while the batch goes on. */
export interface Batch {
  readonly byContact: Map<string, ConversationRow[]>
  readonly byId: Map<string, ConversationRow>
  readonly byReference: Map<string, { conversation: string; contact: string }>
  readonly byThread: Map<string, string>
  readonly own: ReadonlySet<string>
  remember(conversation: ConversationRow): void
}

/** Reads and locks: the contacts' conversations not foreseen, then those a reference, a thread or a token points at. */
export async function loadBatch(
  trx: Transaction<Tables>,
  inputs: readonly TimelineInput[],
  deps: TimelineDeps,
  foreseen: readonly ConversationRow[],
): Promise<Batch> {
  const contacts = new Set(inputs.map((input) => input.contact.id))
  const rows = foreseen.filter((row) => contacts.has(row.contact))
  for (const row of rows) contacts.delete(row.contact)
  if (contacts.size > 0) rows.push(...(await lockCandidates(trx, [...contacts].sort())))
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
export function choose(
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

/**
 * What the customer chose: the value of a button, or of the numbered choice that a typed answer means. The list may stand
 * in an earlier conversation of the same thread.
 */
export function chosenValue(
  input: TimelineInput,
  conversation: ConversationRow,
  batch: Batch,
  deps: TimelineDeps,
): string | null {
  const { event, channel, contact } = input
  if (event.type === 'action') return event.value
  const text = typedText(event)
  if (text === null || text.length > MAX_ANSWER || event.automatic === true) return null
  for (const { touchpoints } of [conversation, ...(batch.byContact.get(contact.id) ?? [])]) {
    for (const touchpoint of touchpoints) {
      if (!touchpoint.choices || touchpoint.channel !== channel || touchpoint.thread !== event.thread.id) continue
      const choice = deps.chosen(text, touchpoint.choices)
      return choice === null ? null : (choice.value ?? choice.label)
    }
  }
  return null
}

function typedText(event: Extract<Said, { type: 'message' }>): string | null {
  const [part, ...more] = event.parts ?? []
  if (part === undefined) return event.text ?? null
  return more.length === 0 && part.type === 'text' ? part.text : null
}

function replyIds(event: Said): readonly string[] {
  if (event.type === 'action') return event.target === undefined ? [] : [event.target]
  if (event.replyTo === undefined) return []
  return typeof event.replyTo === 'string' ? [event.replyTo] : event.replyTo.slice(0, 50)
}
