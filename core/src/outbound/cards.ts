import type { Card } from '@throughline/plugin-sdk'
import { planChoices } from './choices.js'
import type { Fit, PlannedPart } from './fit.js'
import { carries } from './support.js'
import { planMedia } from './media.js'
import { stripMarkdown } from './markdown.js'
import { isBlank } from './split-text.js'
import { planText } from './text-part.js'
import { truncate } from './units.js'

/** carousel → several smaller ones → cards. Its text goes ahead where the channel has no carousel. */
export function planCarousel(fit: Fit, text: string | undefined, cards: readonly Card[]): PlannedPart[] {
  const support = fit.capabilities.carousel
  const maxCards = typeof support === 'object' ? support.maxCards : Number.POSITIVE_INFINITY
  const native =
    (typeof support === 'object' || carries(support, 'a carousel')) && cards.every((card) => fits(fit, card))
  const intro = text === undefined ? [] : planText(fit, text)
  if (!native || cards.length < 2 || maxCards < 1) {
    if (cards.length > 1) fit.lose('the carousel is shown as single cards')
    return [...intro, ...cards.flatMap((card) => planCard(fit, card))]
  }
  const groups: Card[][] = []
  for (const card of cards) {
    fit.number(card.choices?.length ?? 0)
    const open = groups.at(-1)
    if (open && open.length < maxCards) open.push(card)
    else groups.push([card])
  }
  if (groups.length > 1) fit.lose(`the carousel is sent in ${groups.length} parts`)
  return [
    ...intro,
    ...groups.map((group): PlannedPart => ({
      text: fallbackText(fit, group.map(cardWords).join('\n\n')),
      content: { type: 'carousel', cards: group },
    })),
  ]
}

/** card → image, then text with the choices. */
export function planCard(fit: Fit, card: Card): PlannedPart[] {
  if (carries(fit.capabilities.card, 'a card') && fits(fit, card)) {
    fit.number(card.choices?.length ?? 0)
    return [{ text: fallbackText(fit, cardWords(card)), content: { type: 'card', ...card } }]
  }
  fit.lose('a card is shown as text, its image and its buttons apart')
  const choices = card.choices ?? []
  const body = cardText(card)
  if (card.image === undefined) return planChoices(fit, body, choices)
  if (choices.length === 0) return planMedia(fit, 'image', card.image, body)
  return [...planMedia(fit, 'image', card.image), ...planChoices(fit, body, choices)]
}

/** A native card keeps within the channel's buttons; with more of them, or longer ones, it goes down the ladder. */
function fits(fit: Fit, card: Card): boolean {
  const choices = card.choices ?? []
  if (choices.length === 0) return true
  const limits = fit.capabilities.choices
  return (
    limits !== undefined &&
    choices.length <= limits.max &&
    choices.every(
      (choice) => choice.label.length <= limits.maxLabel && (choice.url === undefined || limits.url === true),
    )
  )
}

function cardText(card: Card): string {
  return [card.title, card.text].filter((line) => line !== undefined && line.trim() !== '').join('\n')
}

/** A card without words still needs some beside it. */
function cardWords(card: Card): string {
  return cardText(card) || (card.choices ?? []).map((choice) => choice.label).join(' / ') || 'card'
}

/** Beside native content the text is only a stand-in, so it may be cut. */
function fallbackText(fit: Fit, text: string): string {
  const shown = truncate(fit.plain ? stripMarkdown(text) : text, fit.maxLength, fit.unit)
  return isBlank(shown) ? 'card' : shown
}
