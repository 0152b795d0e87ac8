import { contentId, idOf, listOf, objectOf, textOf, timeOf } from '@throughline/plugin-sdk'
import type { InboundEvent, RawRequest, ReceiptStatus, Shape } from '@throughline/plugin-sdk'
import { contentOf, editedText } from './content.js'
import { changedPerson, contactsOf, idsIn, personOf, senderOf, threadOf } from './people.js'

type At = { readonly id: string; readonly at: number }

/**
 * All events of a webhook: every entry, every change, every item. Pure. An item that cannot be read becomes `unknown` by
 * itself; its neighbours are not touched. Dedupe keys: the wamid of a message; `status:<wamid>:<status>` of a status (with
 * the participant in groups); a hash of its content for everything else.
 */
export function parse(request: RawRequest, phoneNumberId: string): readonly InboundEvent[] {
  const body = objectOf(request.json())
  const events = new Map<string, InboundEvent>()
  for (const entry of listOf(body['entry']).map(objectOf)) {
    for (const change of listOf(entry['changes']).map(objectOf)) {
      for (const event of eventsOfChange(change, entry, phoneNumberId, request.receivedAt))
        if (!events.has(event.id)) events.set(event.id, event)
    }
  }
  if (events.size > 0) return [...events.values()]
  return [unknown('body without changes', body, request.receivedAt)]
}

function eventsOfChange(change: Shape, entry: Shape, phoneNumberId: string, now: number): readonly InboundEvent[] {
  const field = textOf(change['field']) ?? 'no field'
  const value = objectOf(change['value'])
  const at = timeOf(entry['time'], 's', now)
  const number = idOf(objectOf(value['metadata'])['phone_number_id'])
  if (number !== undefined && number !== phoneNumberId)
    return [unknown(`${field} for another phone number`, change, at)]
  const contacts = contactsOf(value)
  const events = [
    ...listOf(value['messages']).map((item) => messageEvent(objectOf(item), contacts, now)),
    ...listOf(value['message_echoes']).map((item) => echoEvent(objectOf(item), now)),
    ...listOf(value['statuses']).map((item) => statusEvent(objectOf(item), now)),
    ...listOf(value['user_id_update']).map((item) => userIdEvent(objectOf(item), now)),
    ...listOf(value['errors']).map((item) => unknown(`error ${idOf(objectOf(item)['code']) ?? ''}`.trim(), item, at)),
  ]
  return events.length > 0 ? events : [unknown(`${field} ${textOf(value['event']) ?? ''}`.trim(), change, at)]
}

const unknown = (note: string, content: unknown, at: number): InboundEvent => ({
  type: 'unknown',
  id: contentId('unknown', content),
  at,
  note: note.slice(0, 200),
})

function messageEvent(message: Shape, contacts: readonly unknown[], now: number): InboundEvent {
  const at = timeOf(message['timestamp'], 's', now)
  const id = idOf(message['id'])
  const type = textOf(message['type']) ?? 'unknown'
  const who = senderOf(message, contacts)
  if (id === undefined) return unknown(`message of type ${type} without id`, message, at)
  const base: At = { id, at }
  if (type === 'system') return systemEvent(message, base)
  if (who === undefined) return unknown(`message of type ${type} without sender`, message, at)
  if (type === 'request_welcome') return unknown('the customer opened the chat', message, at)
  const special = specialEvent(message, type, base, who)
  if (special !== undefined) return special
  const quoted = idOf(objectOf(message['context'])['id'])
  return { ...base, type: 'message', ...who, ...contentOf(message), ...(quoted ? { replyTo: quoted } : {}) }
}

/** Messages that are not something said but something done; undefined for the others and for broken ones. */
function specialEvent(
  message: Shape,
  type: string,
  base: At,
  who: NonNullable<ReturnType<typeof senderOf>>,
): InboundEvent | undefined {
  const body = objectOf(message[type])
  if (type === 'reaction') {
    const target = idOf(body['message_id'])
    // A removed reaction has an empty emoji, or none.
    return target === undefined
      ? undefined
      : { ...base, type: 'reaction', ...who, target, emoji: textOf(body['emoji']) ?? null }
  }
  if (type === 'edit' || type === 'revoke') return changeEvent(type, body, base, who.thread)
  const reply = type === 'button' ? body : objectOf(body[textOf(body['type']) ?? ''])
  const isChoice =
    type === 'button' || (type === 'interactive' && /^(button|list)_reply$/.test(textOf(body['type']) ?? ''))
  const value = textOf(reply['id']) ?? textOf(reply['payload'])
  if (!isChoice || value === undefined) return undefined
  const label = textOf(reply['title']) ?? textOf(reply['text'])
  const target = idOf(objectOf(message['context'])['id'])
  return { ...base, type: 'action', ...who, value, ...(label ? { label } : {}), ...(target ? { target } : {}) }
}

function changeEvent(
  type: 'edit' | 'revoke',
  body: Shape,
  base: At,
  thread: { readonly id: string },
): InboundEvent | undefined {
  const target = idOf(body['original_message_id'])
  if (target === undefined) return undefined
  if (type === 'revoke') return { ...base, type: 'delete', thread, target }
  const text = editedText(objectOf(body['message']))
  return { ...base, type: 'edit', thread, target, ...(text === undefined ? {} : { text }) }
}

function systemEvent(message: Shape, base: At): InboundEvent {
  const system = objectOf(message['system'])
  const type = textOf(system['type']) ?? 'no type'
  const phones = [message['from'], system['wa_id'], system['new_wa_id']].flatMap(idsIn)
  const users = [message['from_user_id'], system['user_id'], system['new_user_id']].flatMap(idsIn)
  const sender =
    /changed|update/.test(type) && type !== 'customer_identity_changed' ? changedPerson(phones, users) : undefined
  if (sender === undefined) return { ...base, type: 'unknown', note: `system message ${type}`.slice(0, 200) }
  return { ...base, type: 'profile', sender }
}

function userIdEvent(update: Shape, now: number): InboundEvent {
  const at = timeOf(update['timestamp'], 's', now)
  const users = [...idsIn(update['user_id']), ...idsIn(update['parent_user_id'])]
  const sender = changedPerson(idsIn(update['wa_id']), users)
  if (sender === undefined) return unknown('user_id_update without ids', update, at)
  return { id: contentId('user-id', update), at, type: 'profile', sender }
}

/** What somebody of the business wrote in the WhatsApp Business app on the same number. */
function echoEvent(message: Shape, now: number): InboundEvent {
  const at = timeOf(message['timestamp'], 's', now)
  const id = idOf(message['id'])
  const thread = threadOf(personOf(message['to'], message['to_user_id'], message['to_parent_user_id']))
  const type = textOf(message['type'])
  if (id === undefined || thread === undefined) return unknown('echo without id or recipient', message, at)
  const base: At = { id, at }
  const changed =
    type === 'edit' || type === 'revoke' ? changeEvent(type, objectOf(message[type]), base, thread) : undefined
  if (changed !== undefined) return changed
  const sender = { id: idOf(message['from']) ?? 'business' }
  return { ...base, type: 'message', thread, sender, echo: true, ...contentOf(message) }
}

const statuses: Readonly<Record<string, ReceiptStatus>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  played: 'read',
  failed: 'failed',
}

function statusEvent(status: Shape, now: number): InboundEvent {
  const at = timeOf(status['timestamp'], 's', now)
  const target = idOf(status['id'])
  const said = textOf(status['status']) ?? ''
  const known = Object.hasOwn(statuses, said) ? statuses[said] : undefined
  if (target === undefined || known === undefined) return unknown(`status ${said}`, status, at)
  const participant = idOf(status['recipient_participant_user_id']) ?? idOf(status['recipient_participant_id'])
  const key = `status:${target}:${said}${participant === undefined ? '' : `:${participant}`}`
  const error = objectOf(listOf(status['errors'])[0])
  const code = idOf(error['code'])
  const message = textOf(error['title']) ?? textOf(error['message'])
  return {
    id: key.length <= 512 ? key : contentId('status', key),
    at,
    type: 'receipt',
    target,
    status: known,
    ...(code === undefined ? {} : { error: { code, ...(message === undefined ? {} : { message }) } }),
  }
}
