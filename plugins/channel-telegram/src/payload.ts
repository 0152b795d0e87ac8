import { PluginError } from '@throughline/plugin-sdk'
import type { Choice, Files, MediaKind, OutboundPart, Part } from '@throughline/plugin-sdk'
import { toHtml } from './html.js'

/** One call of the Bot API. `plain`: what to send instead when Telegram cannot read the markup. */
export type Call = {
  readonly method: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly file?: { readonly field: string; readonly bytes: Uint8Array; readonly name: string; readonly mime: string }
  readonly plain?: Readonly<Record<string, unknown>>
}

const methods: Readonly<Record<MediaKind, readonly [string, string]>> = {
  image: ['sendPhoto', 'photo'],
  video: ['sendVideo', 'video'],
  audio: ['sendAudio', 'audio'],
  voice: ['sendVoice', 'voice'],
  file: ['sendDocument', 'document'],
  sticker: ['sendSticker', 'sticker'],
}

export async function callOf(part: OutboundPart, files: Files): Promise<Call> {
  const { content } = part
  switch (content.type) {
    case 'text':
      return content.format === 'markdown' ? markdown(content.text, part.text) : text(content.text)
    case 'choices':
      return { method: 'sendMessage', fields: { text: content.text, reply_markup: keyboard(content.choices) } }
    case 'location':
      return location(content)
    case 'contact': {
      const phone = content.identifiers.find(({ kind }) => kind === 'phone')?.value
      if (phone === undefined) return text(part.text)
      return { method: 'sendContact', fields: { phone_number: phone, first_name: content.name } }
    }
    default:
      return 'media' in content ? medium(content, files) : text(part.text)
  }
}

const text = (words: string): Call => ({ method: 'sendMessage', fields: { text: words } })

export function markdown(source: string, plain: string): Call {
  return { method: 'sendMessage', fields: { text: toHtml(source), parse_mode: 'HTML' }, plain: { text: plain } }
}

function location(content: Extract<Part, { type: 'location' }>): Call {
  const point = { latitude: content.lat, longitude: content.lon }
  if (content.name === undefined) return { method: 'sendLocation', fields: point }
  return { method: 'sendVenue', fields: { ...point, title: content.name, address: content.address ?? content.name } }
}

/** One button a row. A value longer than Telegram carries is refused, so that the choices go out as numbered text. */
function keyboard(choices: readonly Choice[]): { readonly inline_keyboard: readonly unknown[] } {
  const rows = choices.map((choice) => {
    if (choice.url !== undefined) return [{ text: choice.label, url: choice.url }]
    const value = choice.value ?? choice.label
    const size = Buffer.byteLength(value)
    if (size === 0 || size > 64)
      throw new PluginError('unsupported', 'a choice has a value longer than the 64 bytes Telegram carries', {
        details: { kind: 'choices' },
      })
    return [{ text: choice.label, callback_data: value }]
  })
  return { inline_keyboard: rows }
}

async function medium(content: Extract<Part, { media: unknown }>, files: Files): Promise<Call> {
  const { media, caption } = content
  const [method, field] = methods[content.type]
  const fields = caption === undefined || content.type === 'sticker' ? {} : { caption }
  if (media.file === undefined) {
    if (media.url === undefined) throw new PluginError('unsupported', 'the attachment has neither a file nor a link')
    return { method, fields: { ...fields, [field]: media.url } }
  }
  const bytes = await files.get(media.file)
  if (bytes === null) throw new PluginError('permanent', 'the attachment is no longer stored')
  const file = { field, bytes, name: media.name ?? 'file', mime: media.mime ?? 'application/octet-stream' }
  return { method, fields, file }
}

/** The body of a call: JSON, or a form where bytes go along. */
export function bodyOf(
  call: Call,
  fields: Readonly<Record<string, unknown>>,
): { json: unknown } | { multipart: FormData } {
  if (call.file === undefined) return { json: fields }
  const form = new FormData()
  for (const [name, value] of Object.entries(fields))
    form.set(name, typeof value === 'string' ? value : JSON.stringify(value))
  form.set(call.file.field, new Blob([new Uint8Array(call.file.bytes)], { type: call.file.mime }), call.file.name)
  return { multipart: form }
}
