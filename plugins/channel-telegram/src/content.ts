import { idOf, listOf, numberOf, objectOf, textOf } from '@throughline/plugin-sdk'
import type { MediaHandle, MediaKind, Part, Shape } from '@throughline/plugin-sdk'

/** Before `document`: an animation also comes as one. */
const media: readonly (readonly [string, MediaKind])[] = [
  ['animation', 'video'],
  ['video', 'video'],
  ['video_note', 'video'],
  ['audio', 'audio'],
  ['voice', 'voice'],
  ['sticker', 'sticker'],
  ['document', 'file'],
]

/** Things that happened in the chat and were not said by anybody. */
const service =
  /^(new_chat_|left_chat_|delete_chat_|group_chat_|supergroup_chat_|channel_chat_|message_auto_delete|migrate_|pinned_|chat_|users?_shared|write_access|connected_website|proximity_|boost_|forum_|general_forum_|giveaway|video_chat_|voice_chat_|suggested_post_|successful_payment|refunded_payment|checklist_tasks_|direct_message_price|paid_message_price|gift|unique_gift|passport_data)/

const frame = new Set([
  ...['message_id', 'from', 'chat', 'date', 'sender_chat', 'message_thread_id', 'is_topic_message', 'reply_to_message'],
  ...[
    'edit_date',
    'media_group_id',
    'author_signature',
    'via_bot',
    'forward_origin',
    'business_connection_id',
    'quote',
  ],
  ...['has_protected_content', 'reply_markup', 'effect_id', 'external_reply', 'is_automatic_forward', 'entities'],
])

export type Content = { readonly text?: string; readonly parts?: readonly Part[] }

/** What a message says; `{service}` names what merely happened. */
export function contentOf(message: Shape): Content | { readonly service: string } {
  const text = textOf(message['text'])
  if (text !== undefined) return { text: withLinks(text, message['entities']) }
  const part = mediaPart(message) ?? placePart(message) ?? contactPart(message)
  if (part !== undefined) return { parts: [part] }
  const simple = simpleText(message)
  if (simple !== undefined) return { text: simple }
  const kinds = Object.keys(message).filter((key) => !frame.has(key))
  const happened = kinds.find((key) => service.test(key))
  if (happened !== undefined) return { service: happened }
  return {
    parts: [{ type: 'unsupported', note: `Telegram message with ${kinds[0] ?? 'nothing in it'}`.slice(0, 200) }],
  }
}

function mediaPart(message: Shape): Part | undefined {
  const caption = textOf(message['caption'])
  const shown = caption === undefined ? {} : { caption: withLinks(caption, message['caption_entities']) }
  const photo = largest(listOf(message['photo']).map(objectOf))
  if (photo !== undefined) return { type: 'image', media: { ...photo, mime: 'image/jpeg' }, ...shown }
  for (const [key, type] of media) {
    const handle = handleOf(objectOf(message[key]))
    if (handle !== undefined) return { type, media: handle, ...shown }
  }
  return undefined
}

/** Telegram sends a picture in several sizes, smallest first, but does not promise the order. */
function largest(sizes: readonly Shape[]): MediaHandle | undefined {
  const area = (size: Shape) => (numberOf(size['width']) ?? 0) * (numberOf(size['height']) ?? 0)
  return handleOf([...sizes].sort((a, b) => area(b) - area(a))[0] ?? {})
}

function handleOf(file: Shape): MediaHandle | undefined {
  const id = idOf(file['file_id'])
  if (id === undefined) return undefined
  const optional = {
    mime: textOf(file['mime_type']),
    name: textOf(file['file_name']),
    size: numberOf(file['file_size']),
  }
  return { id, ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) }
}

function placePart(message: Shape): Part | undefined {
  const venue = objectOf(message['venue'])
  const place = objectOf(venue['location'] ?? message['location'])
  const lat = numberOf(place['latitude'])
  const lon = numberOf(place['longitude'])
  if (lat === undefined || lon === undefined) return undefined
  const name = textOf(venue['title'])
  const address = textOf(venue['address'])
  return { type: 'location', lat, lon, ...(name ? { name } : {}), ...(address ? { address } : {}) }
}

function contactPart(message: Shape): Part | undefined {
  const contact = objectOf(message['contact'])
  const phone = phoneOf(contact)
  if (phone === undefined) return undefined
  const name = [textOf(contact['first_name']), textOf(contact['last_name'])].filter(Boolean).join(' ') || phone
  return { type: 'contact', name, identifiers: [{ kind: 'phone', value: phone }] }
}

/** Telegram writes numbers with or without the plus. */
export function phoneOf(contact: Shape): string | undefined {
  const digits = idOf(contact['phone_number'])?.replace(/\D/g, '')
  return digits === undefined || digits === '' || digits.length > 20 ? undefined : `+${digits}`
}

function simpleText(message: Shape): string | undefined {
  const dice = objectOf(message['dice'])
  if (textOf(dice['emoji']) !== undefined) return `${textOf(dice['emoji'])} ${numberOf(dice['value']) ?? ''}`.trim()
  const poll = objectOf(message['poll'])
  const question = textOf(poll['question'])
  if (question === undefined) return undefined
  const options = listOf(poll['options']).flatMap((option) => textOf(objectOf(option)['text']) ?? [])
  return [question, ...options.map((option) => `- ${option}`)].join('\n')
}

/** Links hidden behind words are written out, or they would be lost. Offsets count UTF-16 units, as strings do here. */
function withLinks(text: string, entities: unknown): string {
  const links = listOf(entities)
    .map(objectOf)
    .flatMap((entity) => {
      const end = (numberOf(entity['offset']) ?? Number.NaN) + (numberOf(entity['length']) ?? Number.NaN)
      const url = textOf(entity['url'])
      return entity['type'] === 'text_link' && url !== undefined && end > 0 && end <= text.length ? [{ end, url }] : []
    })
  return links
    .sort((a, b) => b.end - a.end)
    .slice(0, 100)
    .reduce((written, { end, url }) => `${written.slice(0, end)} (${url})${written.slice(end)}`, text)
}
