import { idOf, listOf, numberOf, objectOf, textOf } from '@throughline/plugin-sdk'
import type { Card, Choice, MediaHandle, MediaKind, Part } from '@throughline/plugin-sdk'
import { given } from './given.js'
import { Refusal } from './refusal.js'

const mediaKinds = new Set<string>(['image', 'audio', 'video', 'file', 'voice', 'sticker'])

/** Parts in the contract's own form; what is missing is said by path. */
export function partsOf(value: unknown): readonly Part[] {
  return listOf(value).map((part, index) => partOf(part, `parts[${index}]`))
}

function partOf(value: unknown, path: string): Part {
  const part = objectOf(value)
  const type = textOf(part['type']) ?? ''
  if (mediaKinds.has(type)) {
    return given({
      type: type as MediaKind,
      media: mediaOf(part['media'], `${path}.media`),
      caption: textOf(part['caption']),
    })
  }
  switch (type) {
    case 'text':
      return {
        type,
        text: need(part['text'], `${path}.text`),
        ...(part['format'] === 'markdown' ? { format: 'markdown' } : {}),
      }
    case 'location': {
      const lat = numberOf(part['lat'])
      const lon = numberOf(part['lon'])
      if (lat === undefined || lon === undefined) throw new Refusal(`${path} needs lat and lon`)
      return given({ type, lat, lon, name: textOf(part['name']), address: textOf(part['address']) })
    }
    case 'choices':
      return { type, text: need(part['text'], `${path}.text`), choices: choicesOf(part['choices'], `${path}.choices`) }
    case 'card':
      return { type, ...cardOf(part, path) }
    case 'carousel': {
      const text = textOf(part['text'])
      const cards = listOf(part['cards']).map((card, index) => cardOf(card, `${path}.cards[${index}]`))
      if (cards.length === 0) throw new Refusal(`${path}.cards must not be empty`)
      return { type, cards, ...(text === undefined ? {} : { text }) }
    }
    case 'contact': {
      const identifiers = listOf(part['identifiers']).flatMap((entry) => {
        const { kind, value: id } = objectOf(entry)
        return idOf(kind) === undefined || idOf(id) === undefined
          ? []
          : [{ kind: idOf(kind) ?? '', value: idOf(id) ?? '' }]
      })
      return { type, name: need(part['name'], `${path}.name`), identifiers }
    }
    default:
      throw new Refusal(`${path}.type is not one of the parts a message can have`)
  }
}

function cardOf(value: unknown, path: string): Card {
  const card = objectOf(value)
  const text = textOf(card['text'])
  return {
    title: need(card['title'], `${path}.title`),
    ...(text === undefined ? {} : { text }),
    ...(card['image'] === undefined ? {} : { image: mediaOf(card['image'], `${path}.image`) }),
    ...(card['choices'] === undefined ? {} : { choices: choicesOf(card['choices'], `${path}.choices`) }),
  }
}

function choicesOf(value: unknown, path: string): readonly Choice[] {
  return listOf(value).map((entry, index) => {
    const choice = objectOf(entry)
    return given({
      label: need(choice['label'], `${path}[${index}].label`),
      value: textOf(choice['value']),
      url: textOf(choice['url']),
    })
  })
}

/** By link only: the engine fetches it, through its guard against private networks. */
function mediaOf(value: unknown, path: string): MediaHandle {
  const media = objectOf(value)
  const url = textOf(media['url'])
  if (url === undefined || url.length > 4000 || !/^https?:\/\/[^\s]+$/i.test(url))
    throw new Refusal(`${path}.url must be an http(s) link`)
  return given({ url, mime: textOf(media['mime']), name: textOf(media['name']), size: numberOf(media['size']) })
}

function need(value: unknown, path: string): string {
  const text = textOf(value)
  if (text === undefined) throw new Refusal(`${path} must be a text that is not empty`)
  return text
}
