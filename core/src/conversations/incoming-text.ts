import type { InboundEvent, MediaHandle, Part } from '@throughline/plugin-sdk'

const MAX_TEXT = 1_000_000

/** What a message event says, in parts, and as plain text for lists, rules and search. */
export function contentOf(event: Extract<InboundEvent, { type: 'message' | 'action' }>): {
  text: string
  parts: readonly Part[]
} {
  if (event.type === 'action') {
    const text = event.label ?? event.value
    return { text: text.slice(0, MAX_TEXT), parts: [{ type: 'text', text }] }
  }
  const given = event.parts ?? []
  const parts: readonly Part[] =
    given.length > 0
      ? given
      : [
          event.text === undefined
            ? { type: 'unsupported', note: 'a message without content' }
            : { type: 'text', text: event.text },
        ]
  const text = event.text ?? parts.map(describePart).filter(Boolean).join('\n')
  return { text: text.slice(0, MAX_TEXT), parts }
}

export function describePart(part: Part): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'location':
      return part.name ?? part.address ?? `${part.lat}, ${part.lon}`
    case 'choices':
      return part.text
    case 'card':
      return [part.title, part.text].filter(Boolean).join('\n')
    case 'carousel':
      return part.text ?? part.cards.map((card) => card.title).join(', ')
    case 'contact':
      return part.name
    case 'template':
      return part.text
    case 'unsupported':
      return `[${part.note}]`
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
    case 'voice':
    case 'sticker':
      return part.caption ?? `[${part.type}${part.media.name ? `: ${part.media.name}` : ''}]`
  }
}

/** Attachments of a message with the index of their part. */
export function mediaOf(parts: readonly Part[]): { index: number; handle: MediaHandle }[] {
  return parts.flatMap((part, index) => ('media' in part ? [{ index, handle: part.media }] : []))
}
