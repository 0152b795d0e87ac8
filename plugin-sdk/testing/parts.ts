import { randomUUID } from 'node:crypto'
import type { Capabilities, MediaKind, OutboundPart, Part } from '../src/index.js'

/** A part as the core hands it to `send`: with the plain text of its content. */
export function outboundPart(content: Part, changes: Partial<OutboundPart> = {}): OutboundPart {
  return {
    id: `part-${randomUUID()}`,
    idempotencyKey: randomUUID(),
    thread: { id: 'thread-1' },
    text: plainText(content),
    content,
    author: { kind: 'agent', name: 'Ada' },
    ...changes,
  }
}

/** One part of every sort the channel says it carries, at the edge of its limits. */
export function sampleParts(capabilities: Capabilities, fileKey: string): readonly Part[] {
  const parts: Part[] = [{ type: 'text', text: 'Hello' }]
  const native = (support: unknown) => support !== undefined && support !== 'fallback' && support !== 'reject'
  for (const [kind, limits] of Object.entries(capabilities.media ?? {})) {
    const mime = limits.mime[0]?.replace('*', 'png') ?? 'application/octet-stream'
    const media = { mime, name: 'sample', size: 15 }
    const caption = limits.caption === undefined ? {} : { caption: 'c'.repeat(limits.caption) }
    const type = kind as MediaKind
    if (limits.by !== 'bytes')
      parts.push({ type, media: { ...media, url: 'https://files.example.test/sample' }, ...caption })
    parts.push({ type, media: { ...media, file: fileKey }, ...caption })
  }
  if (capabilities.choices !== undefined) {
    const { max, maxLabel } = capabilities.choices
    const choices = Array.from({ length: Math.min(max, 20) }, (_, i) => ({
      label: `${i} `.padEnd(maxLabel, 'x').slice(0, maxLabel),
      value: `choice-${i}`,
    }))
    parts.push({ type: 'choices', text: 'Which one?', choices })
    parts.push({ type: 'choices', text: 'Yes or no?', choices: choices.slice(0, 2) })
  }
  if (native(capabilities.location))
    parts.push({ type: 'location', lat: 52.52, lon: 13.405, name: 'Berlin', address: 'Mitte' })
  if (native(capabilities.contact))
    parts.push({ type: 'contact', name: 'Ada Example', identifiers: [{ kind: 'phone', value: '+4930123456' }] })
  if (native(capabilities.template))
    parts.push({ type: 'template', name: 'follow_up', language: 'en', parameters: ['Ada'], text: 'Hello Ada' })
  const card = { title: 'A card', text: 'More', choices: [{ label: 'Take', value: 'take' }] }
  if (native(capabilities.card)) parts.push({ type: 'card', ...card })
  if (native(capabilities.carousel)) parts.push({ type: 'carousel', cards: [card, card] })
  return parts
}

function plainText(content: Part): string {
  switch (content.type) {
    case 'text':
    case 'choices':
    case 'template':
      return content.text
    case 'location':
      return `${content.name ?? ''} https://maps.google.com/?q=${content.lat},${content.lon}`.trim()
    case 'card':
      return [content.title, content.text].filter(Boolean).join('\n')
    case 'carousel':
      return content.cards.map((card, i) => `${i + 1}. ${card.title}`).join('\n')
    case 'contact':
      return `${content.name} ${content.identifiers.map((i) => i.value).join(' ')}`
    case 'unsupported':
      return content.note
    default:
      return content.caption ?? content.media.name ?? ''
  }
}
