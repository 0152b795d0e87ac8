import type { StoredEvent } from '../events/contract.js'
import type { MessageFacts } from './clock-store.js'
import type { Signal } from './ledger.js'

/** A signal for one conversation, or the joining of two. */
export type Heard =
  | { readonly conversation: string; readonly signal: Signal }
  | { readonly conversation: string; readonly joined: string; readonly at: Date }

const SENT: ReadonlySet<string> = new Set(['message.sent', 'message.delivered', 'message.read'])
const LOST: ReadonlySet<string> = new Set(['message.failed', 'message.dead', 'message.cancelled'])
const STATUS: ReadonlySet<string> = new Set([
  'conversation.updated',
  'conversation.resolved',
  'conversation.reopened',
  'conversation.snoozed',
])

/** Whether an event can mean anything to a clock; all others are passed over unread. */
export function concerns(event: StoredEvent): boolean {
  const { type, data } = event
  if (type === 'message.inbound') return data['automatic'] !== true
  return (
    SENT.has(type) ||
    LOST.has(type) ||
    STATUS.has(type) ||
    [
      'work.held',
      'work.queued',
      'work.assigned',
      'work.transferred',
      'conversation.joined',
      'contact.updated',
    ].includes(type)
  )
}

export function messageIdOf(event: StoredEvent): string | null {
  const id = event.type.startsWith('message.') ? event.data['messageId'] : undefined
  return typeof id === 'string' ? id : null
}

/**
 * What an event says to the clocks. Times: a customer's message counts from when the engine took it, whenever the network
 * says it was written; a reply from when the network or the socket accepted all of it; the rest from the log.
 */
export function signalsOf(
  event: StoredEvent,
  messages: ReadonlyMap<string, MessageFacts>,
  receivedBy: ReadonlyMap<string, Date>,
): readonly Heard[] {
  const { type, conversation, data } = event
  if (conversation === null) return []
  // What a message brings about happens at the moment of the message.
  const at = (event.cause === null ? undefined : receivedBy.get(event.cause)) ?? new Date(event.at)
  const heard = (signal: Signal): Heard => ({ conversation, signal })
  const id = messageIdOf(event)
  const message = id === null ? undefined : messages.get(id)
  if (type === 'message.inbound') {
    const touchpoint = message?.touchpoint ?? textOf(data['touchpoint'])
    return [heard({ type: 'customer', at: message?.receivedAt ?? at, touchpoint, message: id ?? '' })]
  }
  if (SENT.has(type)) {
    // Automatic answers are the system's: they fulfil nothing.
    if (message === undefined || (message.author !== 'agent' && message.author !== 'bot')) return []
    const by = message.author === 'agent' ? 'human' : 'bot'
    return [
      heard({ type: 'reply', at: message.acceptedAt ?? at, by, touchpoint: message.touchpoint, message: message.id }),
    ]
  }
  if (LOST.has(type)) return id === null ? [] : [heard({ type: 'unsent', at, message: id })]
  if (STATUS.has(type)) {
    const status = textOf(data['status'])
    const changed = Array.isArray(data['changed'])
    return [
      ...(status === null ? [] : [heard({ type: 'status', at, status })]),
      ...(changed ? [heard({ type: 'changed', at })] : []),
    ]
  }
  if (type === 'conversation.joined') {
    const from = textOf(data['from'])
    return from === null || from === conversation ? [] : [{ conversation, joined: from, at }]
  }
  if (type === 'work.held') {
    const reason = textOf(data['reason'])
    if (reason === 'routing') return []
    return [heard({ type: 'turn', at, to: reason === 'bot' ? 'bot' : 'human' })]
  }
  if (type.startsWith('work.')) return [heard({ type: 'turn', at, to: 'human' }), heard({ type: 'changed', at })]
  return []
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
