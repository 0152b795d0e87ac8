import { contentId, idOf, listOf, numberOf, objectOf, textOf, timeOf } from '@throughline/plugin-sdk'
import type { InboundEvent, RawRequest, ReceiptStatus, Shape } from '@throughline/plugin-sdk'
import { partsOf } from './parts.js'
import { senderOf, threadOf } from './people.js'
import { Refusal } from './refusal.js'

const maxEvents = 1000

/**
 * `{"events": […]}` in the shape the README describes. Pure. An event that does not fit becomes `unknown` with a note that
 * says what is wrong; its neighbours are taken. A body of another shape throws, and so is parked as a whole.
 */
export function parse(request: RawRequest): readonly InboundEvent[] {
  const list = objectOf(request.json())['events']
  if (!Array.isArray(list)) throw new Error('the body must be {"events": [...]}')
  if (list.length > maxEvents) throw new Error(`a request can carry ${maxEvents} events, this one has ${list.length}`)
  const events = new Map<string, InboundEvent>()
  for (const item of listOf(list)) {
    const event = eventOrUnknown(objectOf(item), request.receivedAt)
    if (!events.has(event.id)) events.set(event.id, event)
  }
  return [...events.values()]
}

function eventOrUnknown(item: Shape, now: number): InboundEvent {
  try {
    return eventOf(item, now)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { type: 'unknown', id: idOf(item['id']) ?? contentId('unknown', item), at: now, note: error.message }
  }
}

function eventOf(item: Shape, now: number): InboundEvent {
  const id = idOf(item['id'])
  if (id === undefined) throw new Refusal('id must be 1 to 512 characters')
  const base = { id, at: atOf(item['at'], now) }
  const target = () => need(item['target'], 'target')
  switch (item['type']) {
    case 'message':
      return messageOf(item, base)
    case 'edit': {
      const text = textOf(item['text'])
      return {
        ...base,
        type: 'edit',
        thread: threadOf(item['thread']),
        target: target(),
        ...(text === undefined ? {} : { text }),
      }
    }
    case 'delete':
      return { ...base, type: 'delete', thread: threadOf(item['thread']), target: target() }
    case 'reaction':
      return { ...base, type: 'reaction', ...placed(item), target: target(), emoji: textOf(item['emoji']) ?? null }
    case 'receipt':
      return receiptOf(item, base, target())
    case 'action': {
      const label = textOf(item['label'])
      const pressed = idOf(item['target'])
      const optional = {
        ...(label === undefined ? {} : { label }),
        ...(pressed === undefined ? {} : { target: pressed }),
      }
      const value = textOf(item['value'])
      if (value === undefined) throw new Refusal('value must be a text that is not empty')
      return { ...base, type: 'action', ...placed(item), value, ...optional }
    }
    case 'typing':
      return { ...base, type: 'typing', ...placed(item), on: item['on'] !== false }
    case 'read': {
      const upTo = idOf(item['target'])
      return { ...base, type: 'read', ...placed(item), ...(upTo === undefined ? {} : { target: upTo }) }
    }
    case 'consent':
      if (typeof item['granted'] !== 'boolean') throw new Refusal('granted must be true or false')
      return { ...base, type: 'consent', sender: senderOf(item['sender']), granted: item['granted'] }
    case 'profile':
      return { ...base, type: 'profile', sender: senderOf(item['sender']) }
    default:
      throw new Refusal('type is not one of the events this channel takes')
  }
}

const placed = (item: Shape) => ({ thread: threadOf(item['thread']), sender: senderOf(item['sender']) })

function messageOf(item: Shape, base: { readonly id: string; readonly at: number }): InboundEvent {
  const text = textOf(item['text'])
  const parts = partsOf(item['parts'])
  if (text === undefined && parts.length === 0) throw new Refusal('a message needs text or parts')
  const messageId = idOf(item['messageId'])
  const subject = textOf(item['subject'])
  const replyToken = textOf(item['replyToken'])
  const replyTo = (Array.isArray(item['replyTo']) ? listOf(item['replyTo']) : [item['replyTo']]).flatMap(
    (id) => idOf(id) ?? [],
  )
  return {
    ...base,
    type: 'message',
    ...placed(item),
    ...(text === undefined ? {} : { text }),
    ...(parts.length === 0 ? {} : { parts }),
    ...(messageId === undefined ? {} : { messageId }),
    ...(subject === undefined ? {} : { subject }),
    ...(replyToken === undefined ? {} : { replyToken }),
    ...(replyTo.length === 0 ? {} : { replyTo }),
    ...(item['echo'] === true ? { echo: true } : {}),
    ...(item['automatic'] === true ? { automatic: true } : {}),
  }
}

const statuses: readonly ReceiptStatus[] = ['sent', 'delivered', 'read', 'failed']

function receiptOf(item: Shape, base: { readonly id: string; readonly at: number }, target: string): InboundEvent {
  const status = statuses.find((known) => known === item['status'])
  if (status === undefined) throw new Refusal('status must be sent, delivered, read or failed')
  const thread = item['thread'] === undefined ? undefined : threadOf(item['thread'])
  const watermark = item['watermark'] === true
  if (watermark && thread === undefined) throw new Refusal('a watermark needs its thread')
  const error = objectOf(item['error'])
  const code = idOf(error['code'])
  const message = textOf(error['message'])
  return {
    ...base,
    type: 'receipt',
    target,
    status,
    ...(thread === undefined ? {} : { thread }),
    ...(watermark ? { watermark } : {}),
    ...(code === undefined ? {} : { error: { code, ...(message === undefined ? {} : { message }) } }),
  }
}

function need(value: unknown, name: string): string {
  const id = idOf(value)
  if (id === undefined) throw new Refusal(`${name} must be 1 to 512 characters`)
  return id
}

/** Milliseconds, or ISO 8601 with its time zone: a time without one would be read differently on every machine. */
function atOf(value: unknown, now: number): number {
  if (value === undefined) return now
  const isIso = typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]{5,20}(Z|[+-]\d\d:?\d\d)$/.test(value)
  const ms = isIso ? Date.parse(value) : numberOf(value)
  if (ms === undefined || Number.isNaN(ms)) throw new Refusal('at must be milliseconds, or ISO 8601 with a time zone')
  return timeOf(ms, 'ms', now)
}
