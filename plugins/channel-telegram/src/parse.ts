import { contentId, idOf, listOf, objectOf, textOf, timeOf } from '@throughline/plugin-sdk'
import type { InboundEvent, RawRequest, Sender, SenderIdentifier, Shape } from '@throughline/plugin-sdk'
import { messageKey, threadOf } from './address.js'
import { contentOf, phoneOf } from './content.js'

/**
 * The events of one update, or of an answer of getUpdates (what polling hands to the inbox as raw payload). Pure. Dedupe
 * keys: `<chat>:<message_id>` of a message, `callback:<id>` of a pressed button, `update:<update_id>` of everything else.
 */
export function parse(request: RawRequest): readonly InboundEvent[] {
  const body = objectOf(request.json())
  const updates = Array.isArray(body['result']) ? listOf(body['result']) : [body]
  const events = updates.flatMap((update) => eventsOfUpdate(objectOf(update), request.receivedAt))
  return [...new Map(events.map((event) => [event.id, event] as const).reverse()).values()].reverse()
}

export function eventsOfUpdate(update: Shape, now: number): readonly InboundEvent[] {
  const number = idOf(update['update_id'])
  const key = number === undefined ? contentId('update', update) : `update:${number}`
  const kind = Object.keys(update).find((name) => name !== 'update_id') ?? 'nothing'
  const content = objectOf(update[kind])
  const event = eventOf(kind, content, key, now)
  if (event !== undefined) return Array.isArray(event) ? (event as readonly InboundEvent[]) : [event as InboundEvent]
  return [
    { type: 'unknown', id: key, at: timeOf(content['date'], 's', now), note: `update of kind ${kind}`.slice(0, 200) },
  ]
}

function eventOf(
  kind: string,
  content: Shape,
  key: string,
  now: number,
): InboundEvent | readonly InboundEvent[] | undefined {
  switch (kind) {
    case 'message':
    case 'channel_post':
    case 'business_message':
      return messageEvent(content, key, now)
    case 'edited_message':
    case 'edited_channel_post':
    case 'edited_business_message':
      return editEvent(content, key, now)
    case 'callback_query':
      return callbackEvent(content, key, now)
    case 'message_reaction':
      return reactionEvent(content, key, now)
    case 'my_chat_member':
      return membershipEvent(content, key, now)
    case 'deleted_business_messages':
      return deletionEvents(content, key, now)
    default:
      return undefined
  }
}

function messageEvent(message: Shape, key: string, now: number): InboundEvent | undefined {
  const id = messageKey(message)
  const thread = threadOf(message)
  const sender = senderOf(message)
  if (id === undefined || thread === undefined || sender === undefined) return undefined
  const at = timeOf(message['date'], 's', now)
  const data = textOf(objectOf(message['web_app_data'])['data'])
  if (data !== undefined) return { type: 'action', id, at, thread, sender, value: data }
  const content = contentOf(message)
  if ('service' in content)
    return { type: 'unknown', id: key, at, note: `in the chat: ${content.service}`.slice(0, 200), thread }
  const from = objectOf(message['from'])
  const replied = objectOf(message['reply_to_message'])
  const replyTo = isTopicRoot(message, replied) ? undefined : messageKey({ chat: message['chat'], ...replied })
  const album = idOf(message['media_group_id'])
  return {
    type: 'message',
    id,
    at,
    thread,
    sender,
    ...content,
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(album === undefined ? {} : { album }),
    // In a business account's private chat everybody but the customer is the business.
    ...(message['business_connection_id'] !== undefined && isOwner(message, from) ? { echo: true } : {}),
    ...(from['is_bot'] === true ? { automatic: true } : {}),
  }
}

const isOwner = (message: Shape, from: Shape): boolean =>
  objectOf(message['chat'])['type'] === 'private' && from['id'] !== objectOf(message['chat'])['id']

/** In a forum every message of a topic "answers" the message that opened the topic. */
const isTopicRoot = (message: Shape, replied: Shape): boolean =>
  message['is_topic_message'] === true && replied['message_id'] === message['message_thread_id']

/** Who wrote. Telegram vouches for its account ids; a phone number only where the shared contact is the sender's own. */
export function senderOf(message: Shape): Sender | undefined {
  const from = objectOf(message['from'] ?? message['user'])
  const id = idOf(from['id'])
  if (id === undefined) return anonymous(message)
  const identifiers: SenderIdentifier[] = [{ kind: 'telegram', value: id }]
  const contact = objectOf(message['contact'])
  const phone = phoneOf(contact)
  if (phone !== undefined && idOf(contact['user_id']) === id) identifiers.push({ kind: 'phone', value: phone })
  // Without an account it may be anybody's number; with another account it is not the sender's at all.
  if (phone !== undefined && contact['user_id'] === undefined)
    identifiers.push({ kind: 'phone', value: phone, assurance: 'claimed' })
  const name = [textOf(from['first_name']), textOf(from['last_name'])].filter(Boolean).join(' ')
  const username = textOf(from['username'])
  const start = /^\/start ([\w-]{1,64})$/.exec(textOf(message['text']) ?? '')?.[1]
  const language = /^[A-Za-z]{2,3}(-\w{2,8})*$/.exec(textOf(from['language_code']) ?? '')?.[0]
  const attributes = { ...(username === undefined ? {} : { username }), ...(start === undefined ? {} : { start }) }
  const profile = {
    ...(language === undefined ? {} : { language }),
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
  }
  return {
    id,
    identifiers,
    ...(name === '' ? {} : { name }),
    ...(Object.keys(profile).length === 0 ? {} : { profile }),
  }
}

/** Posts of a channel and of hidden administrators are signed by a chat, which is nobody in particular. */
function anonymous(message: Shape): Sender | undefined {
  const chat = objectOf(message['sender_chat'] ?? message['actor_chat'] ?? message['chat'])
  const id = idOf(chat['id'])
  if (id === undefined) return undefined
  const name = textOf(chat['title']) ?? textOf(chat['first_name'])
  return { id, ...(name === undefined ? {} : { name }) }
}

function editEvent(message: Shape, key: string, now: number): InboundEvent | undefined {
  const target = messageKey(message)
  const thread = threadOf(message)
  if (target === undefined || thread === undefined) return undefined
  const content = contentOf(message)
  const text = 'service' in content ? undefined : (content.text ?? textOf(message['caption']))
  const at = timeOf(message['edit_date'] ?? message['date'], 's', now)
  return { type: 'edit', id: key, at, thread, target, ...(text === undefined ? {} : { text }) }
}

function callbackEvent(query: Shape, key: string, now: number): InboundEvent | undefined {
  const message = objectOf(query['message'])
  const sender = senderOf({ from: query['from'] })
  const thread = threadOf(message) ?? (sender === undefined ? undefined : { id: sender.id })
  const value = textOf(query['data']) ?? textOf(query['game_short_name'])
  if (sender === undefined || thread === undefined || value === undefined) return undefined
  const id = idOf(query['id'])
  const target = messageKey(message)
  const label = labelOf(message, value)
  return {
    type: 'action',
    // The query's own id: it is needed to tell Telegram that the press arrived.
    id: id === undefined || id.length > 200 ? key : `callback:${id}`,
    // Telegram says when the message was sent, not when its button was pressed.
    at: now,
    thread,
    sender,
    value,
    ...(label === undefined ? {} : { label }),
    ...(target === undefined ? {} : { target }),
  }
}

/** What stood on the pressed button. */
function labelOf(message: Shape, value: string): string | undefined {
  const rows = listOf(objectOf(message['reply_markup'])['inline_keyboard'])
  const button = rows
    .flatMap(listOf)
    .map(objectOf)
    .find((candidate) => candidate['callback_data'] === value)
  return textOf(button?.['text'])
}

function reactionEvent(content: Shape, key: string, now: number): InboundEvent | undefined {
  const target = messageKey(content)
  const thread = threadOf(content)
  const sender = senderOf(content)
  if (target === undefined || thread === undefined || sender === undefined) return undefined
  const old = listOf(content['old_reaction']).map(emojiOf)
  const current = listOf(content['new_reaction']).map(emojiOf)
  const emoji = current.find((candidate) => !old.includes(candidate)) ?? current[0] ?? null
  return { type: 'reaction', id: key, at: timeOf(content['date'], 's', now), thread, target, sender, emoji }
}

function emojiOf(reaction: unknown): string {
  const { emoji, type } = objectOf(reaction)
  return textOf(emoji) ?? (type === 'paid' ? '⭐' : '❔')
}

/** In a private chat: the customer blocked the bot, or came back. */
function membershipEvent(content: Shape, key: string, now: number): InboundEvent | undefined {
  const status = textOf(objectOf(content['new_chat_member'])['status'])
  const sender = senderOf({ from: content['from'] })
  const isPrivate = objectOf(content['chat'])['type'] === 'private'
  if (!isPrivate || sender === undefined || (status !== 'kicked' && status !== 'member')) return undefined
  return { type: 'consent', id: key, at: timeOf(content['date'], 's', now), sender, granted: status === 'member' }
}

function deletionEvents(content: Shape, key: string, now: number): readonly InboundEvent[] | undefined {
  const thread = threadOf(content)
  if (thread === undefined) return undefined
  const targets = listOf(content['message_ids']).flatMap(
    (id) => messageKey({ chat: content['chat'], message_id: id }) ?? [],
  )
  if (targets.length === 0) return undefined
  return [...new Set(targets)].map((target) => ({
    type: 'delete',
    id: contentId(key, target),
    at: now,
    thread,
    target,
  }))
}
