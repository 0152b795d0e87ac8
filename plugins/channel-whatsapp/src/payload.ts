import { PluginError } from '@throughline/plugin-sdk'
import type { Choice, MediaKind, OutboundPart, Part } from '@throughline/plugin-sdk'
import { toWhatsApp } from './markdown.js'

/** What stands beside `messaging_product` and the recipient in a message of the Cloud API. */
export type Payload = { readonly type: string } & Readonly<Record<string, unknown>>
/** A medium as Meta wants it: uploaded before, or to be fetched by Meta. */
export type MediaReference = { readonly id: string } | { readonly link: string }

const mediaTypes: Readonly<Record<MediaKind, string>> = {
  image: 'image',
  video: 'video',
  audio: 'audio',
  voice: 'audio',
  file: 'document',
  sticker: 'sticker',
}
const captioned = new Set<MediaKind>(['image', 'video', 'file'])

export const isMedia = (content: Part): content is Extract<Part, { media: unknown }> => 'media' in content

export function mediaPayload(content: Extract<Part, { media: unknown }>, reference: MediaReference): Payload {
  const type = mediaTypes[content.type]
  const caption = captioned.has(content.type) && content.caption ? { caption: toWhatsApp(content.caption) } : {}
  const filename = content.type === 'file' && content.media.name ? { filename: content.media.name } : {}
  return { type, [type]: { ...reference, ...caption, ...filename } }
}

/** Everything but media. What WhatsApp has no form for goes out as the part's plain text. */
export function payloadOf(part: OutboundPart, options: { readonly listButton: string }): Payload {
  const { content } = part
  switch (content.type) {
    case 'text':
      return text(content.format === 'markdown' ? toWhatsApp(content.text) : content.text)
    case 'choices':
      return choices(content.text, content.choices, options.listButton)
    case 'location': {
      const named = {
        ...(content.name ? { name: content.name } : {}),
        ...(content.address ? { address: content.address } : {}),
      }
      return { type: 'location', location: { latitude: content.lat, longitude: content.lon, ...named } }
    }
    case 'contact':
      return { type: 'contacts', contacts: [contact(content)] }
    case 'template': {
      const parameters = content.parameters.map((value) => ({ type: 'text', text: value }))
      const components = parameters.length === 0 ? {} : { components: [{ type: 'body', parameters }] }
      return { type: 'template', template: { name: content.name, language: { code: content.language }, ...components } }
    }
    default:
      return text(part.text)
  }
}

const text = (body: string): Payload => ({ type: 'text', text: { body, preview_url: /https?:\/\//i.test(body) } })

function contact(content: Extract<Part, { type: 'contact' }>): Readonly<Record<string, unknown>> {
  const values = (kind: string) => content.identifiers.filter((identifier) => identifier.kind === kind)
  const phones = values('phone').map(({ value }) => ({ phone: value, type: 'WORK' }))
  const emails = values('email').map(({ value }) => ({ email: value, type: 'WORK' }))
  return {
    name: { formatted_name: content.name, first_name: content.name },
    ...(phones.length > 0 ? { phones } : {}),
    ...(emails.length > 0 ? { emails } : {}),
  }
}

/** One link → a link button; up to three → buttons; up to ten → a list. */
function choices(question: string, list: readonly Choice[], listButton: string): Payload {
  const body = { text: question }
  const [first] = list
  if (list.length === 1 && first?.url !== undefined) {
    const parameters = { display_text: shorten(first.label, 20), url: first.url }
    return { type: 'interactive', interactive: { type: 'cta_url', body, action: { name: 'cta_url', parameters } } }
  }
  if (list.length === 0 || list.length > 10 || list.some((choice) => choice.url !== undefined)) throw refused('choices')
  const isList = list.length > 3
  const titles = unique(list.map((choice) => shorten(choice.label, isList ? 24 : 20)))
  const entries = list.map((choice, index) => ({ id: choice.value ?? choice.label, title: titles[index] ?? '' }))
  if (entries.some(({ id }) => id.length > (isList ? 200 : 256))) throw refused('a choice with a value this long')
  if (!isList) {
    const buttons = entries.map((reply) => ({ type: 'reply', reply }))
    return { type: 'interactive', interactive: { type: 'button', body, action: { buttons } } }
  }
  const action = { button: listButton, sections: [{ rows: entries }] }
  return { type: 'interactive', interactive: { type: 'list', body, action } }
}

const refused = (what: string) =>
  new PluginError('unsupported', `WhatsApp cannot show ${what}`, { details: { kind: 'choices' } })

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Cuts between characters as people see them, with an ellipsis. */
export function shorten(label: string, max: number): string {
  if (label.length <= max) return label
  let short = ''
  for (const { segment } of graphemes.segment(label)) {
    if (short.length + segment.length > max - 1) break
    short += segment
  }
  return `${short}…`
}

/** WhatsApp refuses a message with two equal titles. */
function unique(titles: readonly string[]): readonly string[] {
  const seen = new Set<string>()
  return titles.map((title) => {
    let candidate = title
    for (let n = 2; seen.has(candidate); n += 1) candidate = `${shorten(title, 20 - String(n).length - 1)} ${n}`
    seen.add(candidate)
    return candidate
  })
}
