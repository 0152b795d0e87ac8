import type { Capabilities, Part } from '@throughline/plugin-sdk'
import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { ChannelInstance, PluginHost } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import type { OutgoingMessage, SendPlan } from './contract.js'
import { plan, type PlanResult } from './plan.js'
import { readConversation, readTouchpoint, type ConversationRow, type TouchpointRow } from './send-store.js'
import { cleanPart } from './stored-part.js'
import type { Templates } from './templates.js'

export interface PrepareDeps {
  readonly plugins: Pick<PluginHost, 'channel'>
  readonly templates: Pick<Templates, 'render'>
  readonly fileUrl: (key: string) => string
}

/** An outgoing message with everything decided that stands before the first write. */
export interface Prepared {
  readonly conversation: ConversationRow
  readonly touchpoint: TouchpointRow
  readonly instance: ChannelInstance
  readonly capabilities: Capabilities
  /** What was said, before it was fitted to the channel. */
  readonly parts: readonly Part[]
  readonly plan: PlanResult
  readonly window: SendPlan['window']
}

/** Characters of everything said in one message: planning it holds up everybody else on this node. */
const MAX_TEXT = 65_536

/** Parts one message may become; more is a mistake, not an answer. */
const MAX_PARTS = 100

/** Reads, and with `lock` locks the conversation against its other writers. Throws what `OutboundService.queue` says. */
export async function prepare(
  deps: PrepareDeps,
  db: Kysely<Tables> | Transaction<Tables>,
  message: OutgoingMessage,
  lock: boolean,
): Promise<Prepared> {
  const conversation = isUuid(message.conversation) ? await readConversation(db, message.conversation, lock) : null
  if (!conversation) throw notFound('conversation', message.conversation)
  if (conversation.joinedInto !== null) {
    throw new ThroughlineError(
      'TL_COMMAND_CONFLICT',
      `conversation ${conversation.id} was joined into ${conversation.joinedInto}; write there`,
      { details: { conversation: conversation.id, joinedInto: conversation.joinedInto } },
    )
  }
  const wanted = message.touchpoint
  const touchpoint = wanted === undefined || isUuid(wanted) ? await readTouchpoint(db, conversation, message) : null
  if (!touchpoint) throw notFound('touchpoint', wanted ?? message.channel ?? conversation.id)
  const { instance, capabilities } = channelOf(deps, touchpoint)
  const parts = partsOf(deps, message, instance)
  if (JSON.stringify(parts).length > MAX_TEXT) {
    throw new ThroughlineError(
      'TL_COMMAND_INVALID',
      `the message is longer than ${MAX_TEXT} characters; shorten it or send it as a file`,
      { details: { limit: MAX_TEXT } },
    )
  }
  const planned = plan(parts, capabilities, { fileUrl: deps.fileUrl })
  if (planned.parts.length === 0) {
    throw new ThroughlineError('TL_COMMAND_INVALID', 'the message is empty; give it a text or another part')
  }
  if (planned.parts.length > MAX_PARTS) {
    throw new ThroughlineError(
      'TL_COMMAND_INVALID',
      `on ${touchpoint.channel} this would become ${planned.parts.length} messages, at most ${MAX_PARTS} are sent; shorten it`,
      { details: { parts: planned.parts.length, limit: MAX_PARTS } },
    )
  }
  const window = windowOf(capabilities, touchpoint)
  return { conversation, touchpoint, instance, capabilities, parts, plan: planned, window }
}

/** Throws where the network would refuse the message because the customer wrote too long ago. */
export function checkWindow(prepared: Prepared): void {
  const { window, touchpoint, plan: planned } = prepared
  if (window.open) return
  if (window.after === 'template' && planned.parts.every((part) => part.content.type === 'template')) return
  throw new ThroughlineError(
    'TL_CHANNEL_WINDOW_CLOSED',
    window.after === 'template'
      ? `the reply window of ${touchpoint.channel} is closed; send a template, or answer on another channel`
      : `${touchpoint.channel} takes answers only for a while after the customer wrote; answer on another channel`,
    { details: { channel: touchpoint.channel, closedAt: window.closesAt?.toISOString() ?? null, after: window.after } },
  )
}

/** Both times are the database's. A channel that says nothing about it always takes answers. */
function windowOf(capabilities: Capabilities, touchpoint: TouchpointRow): SendPlan['window'] {
  const proactive = capabilities.proactive ?? 'always'
  if (proactive === 'always') return { open: true, closesAt: null, after: null }
  if (proactive === 'never') return { open: touchpoint.lastInboundAt !== null, closesAt: null, after: 'never' }
  const last = touchpoint.lastInboundAt
  if (last === null) return { open: false, closesAt: null, after: proactive.after }
  const closesAt = new Date(last.getTime() + proactive.windowMs)
  return { open: touchpoint.now < closesAt, closesAt, after: proactive.after }
}

function channelOf(
  deps: PrepareDeps,
  touchpoint: TouchpointRow,
): { readonly instance: ChannelInstance; readonly capabilities: Capabilities } {
  const instance = deps.plugins.channel(touchpoint.channel)
  if (!instance) {
    throw new ThroughlineError(
      'TL_CHANNEL_UNKNOWN',
      `channel ${touchpoint.channel} is not configured any more; answer on another channel of the conversation`,
      { details: { channel: touchpoint.channel } },
    )
  }
  const capabilities = instance.capabilities(touchpoint.thread)
  if (capabilities) return { instance, capabilities }
  throw new ThroughlineError(
    'TL_CHANNEL_UNAVAILABLE',
    `channel ${touchpoint.channel} is not loaded, so nobody knows what it can carry; see /v1/admin/plugins`,
    { details: { channel: touchpoint.channel } },
  )
}

/** A template file's text is Markdown as if an agent had typed it; the channel's plugin escapes it for its own markup. */
function partsOf(deps: PrepareDeps, message: OutgoingMessage, instance: ChannelInstance): readonly Part[] {
  if (!message.template) return cleanPart(message.parts)
  const target = { plugin: instance.def?.name ?? null, kind: instance.kind }
  const text = deps.templates.render(message.template.name, message.template.values, target).trim()
  return cleanPart([{ type: 'text', text }, ...message.parts])
}

/** Ids come from callers: one that is none must be `not found`, not an error of the database. */
export function isUuid(id: string): boolean {
  return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)
}

export function notFound(what: string, id: string): ThroughlineError {
  return new ThroughlineError('TL_COMMAND_NOT_FOUND', `there is no such ${what}: ${id}`, { details: { [what]: id } })
}
