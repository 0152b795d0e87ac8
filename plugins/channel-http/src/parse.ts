import { contentId, idOf, listOf, numberOf, objectOf, textOf, timeOf } from '@throughline/plugin-sdk'
import type { InboundEvent, RawRequest, ReceiptStatus, Shape } from '@throughline/plugin-sdk'
import { given } from './given.js'
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
    case 'edit':
      return given({
        ...base,
        type: 'edit',
        thread: threadOf(item['thread']),
        target: target(),
        text: textOf(item['text']),
      })
    case 'delete':
      return { ...base, type: 'delete', thread: threadOf(item['thread']), target: target() }
    case 'reaction':
      return { ...base, type: 'reaction', ...placed(item), target: target(), emoji: textOf(item['emoji']) ?? null }
    case 'receipt':
      return receiptOf(item, base, target())
    case 'action': {
      const value = textOf(item['value'])
      if (value === undefined) throw new Refusal('value must be a text that is not empty')
      const optional = { label: textOf(item['label']), target: idOf(item['target']) }
      return given({ ...base, type: 'action', ...placed(item), value, ...optional })
    }
    case 'typing':
      return { ...base, type: 'typing', ...placed(item), on: item['on'] !== false }
    case 'read':
      return given({ ...base, type: 'read', ...placed(item), target: idOf(item['target']) })
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
  const { replyTo } = item
  const answered = replyTo === undefined ? [] : (Array.isArray(replyTo) ? listOf(replyTo) : [replyTo]).flatMap(idsOf)
  return given({
    id: base.id,
    at: base.at,
    type: 'message',
    thread: threadOf(item['thread']),
    sender: senderOf(item['sender']),
    text,
    parts: parts.length === 0 ? undefined : parts,
    messageId: idOf(item['messageId']),
    subject: textOf(item['subject']),
    replyToken: textOf(item['replyToken']),
    replyTo: answered.length === 0 ? undefined : answered,
    echo: item['echo'] === true ? true : undefined,
    automatic: item['automatic'] === true ? true : undefined,
  })
}

const idsOf = (value: unknown): string | readonly string[] => idOf(value) ?? []

const statuses: readonly ReceiptStatus[] = ['sent', 'delivered', 'read', 'failed']

function receiptOf(item: Shape, base: { readonly id: string; readonly at: number }, target: string): InboundEvent {
  const status = statuses.find((known) => known === item['status'])
  if (status === undefined) throw new Refusal('status must be sent, delivered, read or failed')
  const thread = item['thread'] === undefined ? undefined : threadOf(item['thread'])
  const watermark = item['watermark'] === true
  if (watermark && thread === undefined) throw new Refusal('a watermark needs its thread')
  const error = objectOf(item['error'])
  const code = idOf(error['code'])
  return given({
    ...base,
    type: 'receipt',
    target,
    status,
    thread,
    watermark: watermark ? true : undefined,
    error: code === undefined ? undefined : given({ code, message: textOf(error['message']) }),
  })
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
