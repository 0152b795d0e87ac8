import { idOf } from '@throughline/plugin-sdk'
import type { Shape, Thread } from '@throughline/plugin-sdk'
import { objectOf, textOf } from '@throughline/plugin-sdk'

/**
 * Where to write. As `thread.id`: `<chat>` · `<chat>/<topic>` in a forum · `business:<connection>:<chat>` for the chats of
 * a connected business account. A message's network id is `<chat>:<message_id>`.
 */
export type Address = { readonly chat: string; readonly topic?: string; readonly business?: string }

export function threadOf(message: Shape): Thread | undefined {
  const chat = objectOf(message['chat'])
  const id = idOf(chat['id'])
  if (id === undefined || id.length > 64) return undefined
  const business = idOf(message['business_connection_id'])
  const topic = message['is_topic_message'] === true ? idOf(message['message_thread_id']) : undefined
  const title = textOf(chat['title'])
  const address = business !== undefined ? `business:${business}:${id}` : topic !== undefined ? `${id}/${topic}` : id
  if (address.length > 512) return undefined
  const kind = chat['type'] === 'private' || chat['type'] === undefined ? 'direct' : 'group'
  return { id: address, kind, ...(title === undefined ? {} : { title }) }
}

export function addressOf(thread: string): Address {
  const business = /^business:(.+):(-?\w+)$/.exec(thread)
  if (business !== null) return { business: business[1] ?? '', chat: business[2] ?? '' }
  const [chat = '', topic] = thread.split('/')
  return topic === undefined ? { chat } : { chat, topic }
}

export function messageKey(message: Shape): string | undefined {
  const chat = idOf(objectOf(message['chat'])['id'])
  const id = idOf(message['message_id'])
  return chat === undefined || id === undefined || chat.length + id.length > 128 ? undefined : `${chat}:${id}`
}

/** The message's own number, from its network id. */
export function messageNumber(externalId: string): number | undefined {
  const number = Number(externalId.slice(externalId.lastIndexOf(':') + 1))
  return Number.isSafeInteger(number) ? number : undefined
}
