import { idOf, listOf, numberOf, objectOf, textOf } from '@throughline/plugin-sdk'
import type { IdentifierKey, MediaHandle, MediaKind, Part, Shape } from '@throughline/plugin-sdk'

const kinds: Readonly<Record<string, MediaKind>> = {
  image: 'image',
  video: 'video',
  audio: 'audio',
  document: 'file',
  sticker: 'sticker',
}

/** What a message says. Always at least a text or a part: what this plugin cannot read is kept as `unsupported`. */
export function contentOf(message: Shape): { readonly text?: string; readonly parts?: readonly Part[] } {
  const type = textOf(message['type']) ?? 'unknown'
  const body = objectOf(message[type])
  const text = textOf(objectOf(message['text'])['body'])
  if (type === 'text' && text !== undefined) return { text }
  const part = Object.hasOwn(kinds, type) ? mediaPart(type, body) : undefined
  if (part !== undefined) return { parts: [part] }
  const read = type === 'location' ? location(body) : type === 'contacts' ? contacts(message['contacts']) : []
  if (read.length > 0) return { parts: read }
  if (type === 'order') return { text: order(body) }
  if (type === 'interactive' && body['type'] === 'nfm_reply') return { text: form(objectOf(body['nfm_reply'])) }
  return { parts: [{ type: 'unsupported', note: note(message, type) }] }
}

function mediaPart(type: string, body: Shape): Part | undefined {
  const id = idOf(body['id'])
  const url = textOf(body['url'])
  if (id === undefined && url === undefined) return undefined
  const optional = { mime: textOf(body['mime_type']), name: textOf(body['filename']), sha256: hexOf(body['sha256']) }
  const media: MediaHandle = {
    ...(id === undefined ? { url: url ?? '' } : { id }),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  }
  const caption = textOf(body['caption'])
  const kind = type === 'audio' && body['voice'] === true ? 'voice' : (kinds[type] ?? 'file')
  return { type: kind, media, ...(caption === undefined ? {} : { caption }) }
}

/** WhatsApp gives the hash in base64. */
function hexOf(value: unknown): string | undefined {
  const bytes = Buffer.from(textOf(value) ?? '', 'base64')
  return bytes.length === 32 ? bytes.toString('hex') : undefined
}

function location(body: Shape): readonly Part[] {
  const lat = numberOf(body['latitude'])
  const lon = numberOf(body['longitude'])
  if (lat === undefined || lon === undefined) return []
  const name = textOf(body['name'])
  const address = textOf(body['address'])
  return [{ type: 'location', lat, lon, ...(name ? { name } : {}), ...(address ? { address } : {}) }]
}

function contacts(list: unknown): readonly Part[] {
  return listOf(list).map((entry) => {
    const card = objectOf(entry)
    const name = objectOf(card['name'])
    const phones = listOf(card['phones']).flatMap((item): IdentifierKey[] => {
      const account = idOf(objectOf(item)['wa_id'])
      const value = account === undefined ? idOf(objectOf(item)['phone']) : `+${account.replace(/^\+/, '')}`
      return value === undefined ? [] : [{ kind: 'phone', value }]
    })
    const emails = listOf(card['emails']).flatMap((item): IdentifierKey[] => {
      const value = idOf(objectOf(item)['email'])
      return value === undefined ? [] : [{ kind: 'email', value }]
    })
    const shown = textOf(name['formatted_name']) ?? textOf(name['first_name']) ?? phones[0]?.value ?? 'Contact'
    return { type: 'contact', name: shown, identifiers: [...phones, ...emails] }
  })
}

function order(body: Shape): string {
  const items = listOf(body['product_items']).map((entry) => {
    const item = objectOf(entry)
    const price = numberOf(item['item_price'])
    const cost = price === undefined ? '' : ` (${price} ${textOf(item['currency']) ?? ''})`.replace(' )', ')')
    return `${numberOf(item['quantity']) ?? 1} × ${idOf(item['product_retailer_id']) ?? 'item'}${cost}`
  })
  return ['Order', ...items, ...(textOf(body['text']) === undefined ? [] : [textOf(body['text'])])].join('\n')
}

/** An answered form. Its content is JSON inside a string, and not always an object. */
function form(reply: Shape): string {
  const title = [textOf(reply['name']), textOf(reply['body'])].filter(Boolean).join(': ') || 'Form'
  const json = textOf(reply['response_json'])
  if (json === undefined) return title
  try {
    const fields = Object.entries(objectOf(JSON.parse(json))).filter(([key]) => key !== 'flow_token')
    const lines = fields.map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    return [title, ...lines].join('\n')
  } catch {
    return `${title}\n${json}`
  }
}

function note(message: Shape, type: string): string {
  const kind = type === 'interactive' ? (textOf(objectOf(message['interactive'])['type']) ?? type) : type
  const inner = textOf(objectOf(message['unsupported'])['type'])
  const error = textOf(objectOf(listOf(message['errors'])[0])['title'])
  return `WhatsApp message of type ${inner ?? kind}${error === undefined ? '' : ` (${error})`}`.slice(0, 300)
}

/** The new text of an edited message: its body, or the caption of its medium. */
export function editedText(message: Shape): string | undefined {
  const type = textOf(message['type']) ?? 'text'
  return textOf(objectOf(message['text'])['body']) ?? textOf(objectOf(message[type])['caption'])
}
