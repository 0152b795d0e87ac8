import type { Card, Choice, Files, MediaHandle, Part, ThreadMessage } from '@throughline/plugin-sdk'
import { clientIdOf } from './incoming.js'
import { cleanText } from './text.js'

/** A message as the page gets it: only what a customer may know, with links instead of handles. */
export type MessageView = {
  readonly id: string
  readonly cursor: string
  readonly direction: 'in' | 'out'
  readonly at: number
  readonly author: { readonly kind: string; readonly name: string | null }
  /** The id the client itself gave to the message, when it stems from this web chat. */
  readonly clientId: string | null
  readonly parts: readonly PartView[]
  /** The same message came before with other words. */
  readonly edited?: boolean
  /** Taken back: nothing of it is shown. */
  readonly deleted?: boolean
  readonly reactions?: readonly { readonly emoji: string; readonly count: number }[]
}
export type MediaView = {
  readonly url: string | null
  readonly mime?: string
  readonly name?: string
  readonly size?: number
}
export type ChoiceView = { readonly label: string; readonly value: string; readonly url?: string }
export type CardView = {
  readonly title: string
  readonly text?: string
  readonly image?: MediaView
  readonly choices: readonly ChoiceView[]
}
export type PartView =
  | { readonly type: 'text'; readonly text: string; readonly format: 'plain' | 'markdown' }
  | { readonly type: 'media'; readonly kind: string; readonly media: MediaView; readonly caption?: string }
  | {
      readonly type: 'location'
      readonly lat: number
      readonly lon: number
      readonly name?: string
      readonly address?: string
    }
  | { readonly type: 'choices'; readonly text: string; readonly choices: readonly ChoiceView[] }
  | ({ readonly type: 'card' } & CardView)
  | { readonly type: 'carousel'; readonly text?: string; readonly cards: readonly CardView[] }

/** A page may stay open for a working day; reading the thread again signs new links. */
const LINK_MS = 24 * 3_600_000

export function messageView(message: ThreadMessage, thread: string, files: Files): MessageView {
  return {
    id: message.id,
    cursor: message.cursor,
    direction: message.direction,
    at: message.at,
    author: {
      kind: message.author.kind,
      name: message.author.name === null ? null : cleanText(message.author.name),
    },
    clientId: message.direction === 'in' && message.externalId !== null ? clientIdOf(thread, message.externalId) : null,
    parts: message.deleted === true ? [] : message.parts.map((part) => partView(part, message.direction, files)),
    ...(message.edited === true ? { edited: true } : {}),
    ...(message.deleted === true ? { deleted: true } : {}),
    ...(message.reactions === undefined
      ? {}
      : { reactions: message.reactions.map(({ emoji, count }) => ({ emoji: cleanText(emoji).slice(0, 32), count })) }),
  }
}

function partView(part: Part, direction: 'in' | 'out', files: Files): PartView {
  switch (part.type) {
    case 'text':
      // What the customer typed is shown as typed; only answers are marked up.
      return {
        type: 'text',
        text: cleanText(part.text),
        format: direction === 'out' ? (part.format ?? 'markdown') : 'plain',
      }
    case 'location':
      return {
        type: 'location',
        lat: part.lat,
        lon: part.lon,
        ...(part.name === undefined ? {} : { name: cleanText(part.name) }),
        ...(part.address === undefined ? {} : { address: cleanText(part.address) }),
      }
    case 'choices':
      return { type: 'choices', text: cleanText(part.text), choices: part.choices.map(choiceView) }
    case 'card':
      return { type: 'card', ...cardView(part, files) }
    case 'carousel':
      return {
        type: 'carousel',
        ...(part.text === undefined ? {} : { text: cleanText(part.text) }),
        cards: part.cards.map((card) => cardView(card, files)),
      }
    case 'contact':
      return plain([part.name, ...part.identifiers.map((known) => `${known.kind}: ${known.value}`)].join('\n'))
    case 'template':
      return plain(part.text)
    case 'unsupported':
      return plain(part.note)
    default:
      return {
        type: 'media',
        kind: part.type,
        media: mediaView(part.media, files),
        ...(part.caption === undefined ? {} : { caption: cleanText(part.caption) }),
      }
  }
}

function plain(text: string): PartView {
  return { type: 'text', text: cleanText(text), format: 'plain' }
}

function cardView(card: Card, files: Files): CardView {
  return {
    title: cleanText(card.title),
    ...(card.text === undefined ? {} : { text: cleanText(card.text) }),
    ...(card.image === undefined ? {} : { image: mediaView(card.image, files) }),
    choices: (card.choices ?? []).map(choiceView),
  }
}

function choiceView(choice: Choice): ChoiceView {
  const url = choice.url === undefined ? undefined : safeLink(choice.url, ['https:', 'http:', 'mailto:', 'tel:'])
  return {
    label: cleanText(choice.label),
    value: choice.value ?? choice.label,
    ...(url === undefined ? {} : { url }),
  }
}

function mediaView(media: MediaHandle, files: Files): MediaView {
  const name = media.name === undefined ? undefined : cleanText(media.name)
  const url =
    media.file === undefined
      ? media.url === undefined
        ? undefined
        : safeLink(media.url, ['https:', 'http:'])
      : files.url(media.file, { ttlMs: LINK_MS, ...(name === undefined ? {} : { name }) })
  return {
    url: url ?? null,
    ...(media.mime === undefined ? {} : { mime: media.mime }),
    ...(name === undefined ? {} : { name }),
    ...(media.size === undefined ? {} : { size: media.size }),
  }
}

function safeLink(url: string, schemes: readonly string[]): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return parsed !== undefined && schemes.includes(parsed.protocol) ? parsed.href : undefined
}
