import type { Capabilities, Choice, Part } from '@throughline/plugin-sdk'
import { planCard, planCarousel } from './cards.js'
import { choicesOf, planChoices } from './choices.js'
import { createFit, type Fit, type PlannedPart, type PlanOptions } from './fit.js'
import { planMedia } from './media.js'
import { contactText, locationText } from './plain-text.js'
import { carries } from './support.js'
import { planLiteral, planText } from './text-part.js'
import { measure } from './units.js'

export type { PlannedPart, PlanOptions } from './fit.js'

export interface PlanResult {
  readonly parts: readonly PlannedPart[]
  /** What the channel cannot show, in words for the agent. */
  readonly losses: readonly string[]
  /** Every choice of the message in the order of its numbers, where some are shown as a numbered list; else empty. */
  readonly numbered: readonly Choice[]
}

/**
 * Fits a message to a channel. Pure: the same parts and capabilities always give the same plan. Every planned text keeps
 * within the channel's limit and none is blank; a blank part is left out. Throws TL_CHANNEL_UNSUPPORTED for what the
 * channel rejects outright.
 */
export function plan(parts: readonly Part[], capabilities: Capabilities, options: PlanOptions): PlanResult {
  const losses = new Set<string>()
  const fit = createFit(capabilities, options, losses)
  const planned = parts.flatMap((part) => planPart(fit, part))
  return { parts: planned, losses: [...losses], numbered: fit.listed ? choicesOf(parts) : [] }
}

function planPart(fit: Fit, part: Part): PlannedPart[] {
  switch (part.type) {
    case 'text':
      return planText(fit, part.text, fit.maxLength, part.format)
    case 'choices':
      return planChoices(fit, part.text, part.choices)
    case 'card':
      return planCard(fit, part)
    case 'carousel':
      return planCarousel(fit, part.text, part.cards)
    case 'location':
      return native(
        fit,
        part,
        carries(fit.capabilities.location, 'a location'),
        locationText(part),
        'a location',
        'a map link',
      )
    case 'contact':
      return native(fit, part, carries(fit.capabilities.contact, 'a contact'), contactText(part), 'a contact', 'text')
    case 'template': {
      const support = fit.capabilities.template
      return native(fit, part, support === 'full' || support === 'partial', part.text, 'a template', 'text')
    }
    case 'unsupported':
      return planLiteral(fit, part.note)
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
    case 'voice':
    case 'sticker':
      return planMedia(fit, part.type, part.media, part.caption)
  }
}

function native(fit: Fit, part: Part, supported: boolean, text: string, what: string, shownAs: string): PlannedPart[] {
  if (supported) {
    const pieces = measure(text, fit.unit) <= fit.maxLength ? [text] : planLiteral(fit, text).map((piece) => piece.text)
    return [{ text: pieces[0]?.trim() ? pieces[0] : what, content: part }]
  }
  fit.lose(`${what} is shown as ${shownAs}`)
  return planLiteral(fit, text)
}

/** The same channel without what it just refused; null where nothing simpler is left. */
export function withoutContent(capabilities: Capabilities, content: Part): Capabilities | null {
  switch (content.type) {
    case 'text':
      return content.format === 'markdown' && capabilities.text.format !== 'plain'
        ? { ...capabilities, text: { ...capabilities.text, format: 'plain' } }
        : null
    case 'choices': {
      const { choices: _, ...rest } = capabilities
      return rest
    }
    case 'card':
    case 'carousel':
    case 'location':
    case 'contact':
    case 'template':
      return { ...capabilities, [content.type]: 'fallback' }
    case 'unsupported':
      return null
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
    case 'voice':
    case 'sticker': {
      const { [content.type]: _, ...media } = capabilities.media ?? {}
      return { ...capabilities, media }
    }
  }
}
