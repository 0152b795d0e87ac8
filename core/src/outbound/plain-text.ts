import type { Card, Part } from '@throughline/plugin-sdk'

export function locationText(part: Extract<Part, { type: 'location' }>): string {
  const words = [part.name, part.address].filter((word) => word !== undefined && word.trim() !== '').join(', ')
  const link = `https://maps.google.com/?q=${part.lat},${part.lon}`
  return words === '' ? link : `${words}\n${link}`
}

export function contactText(part: Extract<Part, { type: 'contact' }>): string {
  return [part.name, ...part.identifiers.map((known) => `${known.kind}: ${known.value}`)].join('\n')
}

/** A message in words, for the timeline's text and for searching; the parts keep the rest. */
export function messageText(parts: readonly Part[]): string {
  return parts
    .map(partText)
    .filter((text) => text.trim() !== '')
    .join('\n\n')
}

function partText(part: Part): string {
  switch (part.type) {
    case 'text':
    case 'template':
      return part.text
    case 'choices':
      return [part.text, ...part.choices.map((choice) => `- ${choice.label}`)].join('\n')
    case 'card':
      return cardText(part)
    case 'carousel':
      return [part.text ?? '', ...part.cards.map(cardText)].filter(Boolean).join('\n\n')
    case 'location':
      return locationText(part)
    case 'contact':
      return contactText(part)
    case 'unsupported':
      return part.note
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
    case 'voice':
    case 'sticker':
      return part.caption ?? part.media.name ?? ''
  }
}

function cardText(card: Card): string {
  return [card.title, card.text ?? '', ...(card.choices ?? []).map((choice) => `- ${choice.label}`)]
    .filter(Boolean)
    .join('\n')
}
