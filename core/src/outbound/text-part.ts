import type { Fit, PlannedPart } from './fit.js'
import { stripMarkdown } from './markdown.js'
import { splitText } from './split-text.js'
import { measure, meter } from './units.js'

/** Text in pieces the channel takes. Channels with a markup of their own get the Markdown and render it themselves. */
export function planText(
  fit: Fit,
  text: string,
  limit: number = fit.maxLength,
  format: 'plain' | 'markdown' = 'markdown',
): PlannedPart[] {
  const strip = fit.plain && format === 'markdown'
  const shown = strip ? stripMarkdown(text) : text
  if (strip && withoutSpace(shown) !== withoutSpace(text)) fit.lose('formatting is left out')
  const kept = fit.plain ? 'plain' : format
  const pieces = splitText(shown, { maxLength: limit, unit: fit.unit, markdown: kept === 'markdown' })
  if (pieces.length > 1) fit.lose(`the text is sent as ${pieces.length} messages`)
  if (fit.unit === 'gsm7') warnAboutAlphabet(fit, shown)
  return pieces.map((piece) => ({ text: piece, content: { type: 'text', text: piece, format: kept } }))
}

/** Text that is meant letter by letter: names, addresses, links. */
export function planLiteral(fit: Fit, text: string): PlannedPart[] {
  return planText(fit, text, fit.maxLength, 'plain')
}

/** The text of a part made by planText, before any list was added to it. */
export function textOf(part: PlannedPart): string {
  return part.content.type === 'text' ? part.content.text : part.text
}

/** A letter outside the SMS alphabet more than halves what one SMS holds; the sender pays for each. */
function warnAboutAlphabet(fit: Fit, text: string): void {
  const length = measure(text, 'gsm7')
  const inAlphabet = meter('gsm7').add(text.replaceAll(/[^\n\r -~]/g, 'x'))
  const segments = (septets: number): number => (septets <= 160 ? 1 : Math.ceil(septets / 153))
  if (segments(length) <= segments(inAlphabet)) return
  fit.lose(`characters outside the SMS alphabet make it ${segments(length)} SMS instead of ${segments(inAlphabet)}`)
}

function withoutSpace(text: string): string {
  return text.replaceAll(/\s+/g, '')
}
