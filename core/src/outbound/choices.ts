import type { Card, Choice, Part } from '@throughline/plugin-sdk'
import type { Fit, PlannedPart } from './fit.js'
import { planText, textOf } from './text-part.js'
import { measure, truncate } from './units.js'

/**
 * Text with choices: native buttons where the channel has enough of them, else a numbered list. Numbers run through the
 * whole message, so that an answer "4" means one choice only; `matchChoice` reads them back.
 */
export function planChoices(fit: Fit, body: string, choices: readonly Choice[]): PlannedPart[] {
  const first = fit.number(choices.length)
  if (choices.length === 0) return planText(fit, body)
  const native = fit.capabilities.choices
  const links = choices.filter((choice) => choice.url !== undefined)
  const buttons = native?.url ? choices : choices.filter((choice) => choice.url === undefined)
  if (!native) {
    fit.lose('buttons are shown as a numbered list; the customer answers with a number')
    fit.numbered()
    return planText(fit, numberedText(body, choices, first))
  }
  const linkLines = native.url ? [] : links.map((choice) => `${choice.label}: ${choice.url}`)
  if (linkLines.length > 0) fit.lose('link buttons are shown as text')
  if (buttons.length === 0) return planText(fit, [body, linkLines.join('\n')].filter(Boolean).join('\n\n'))
  if (buttons.length > native.max) {
    fit.lose(`${buttons.length} buttons are shown as a numbered list, the channel has ${native.max} at most`)
    fit.numbered()
    return planText(fit, numberedText(body, choices, first))
  }
  const unit = fit.unit === 'gsm7' ? 'utf16' : fit.unit
  const short = buttons.map((choice) => truncate(choice.label, native.maxLabel, unit))
  if (new Set(short).size < new Set(buttons.map((choice) => choice.label)).size) {
    fit.lose('buttons are shown as a numbered list, their labels are too long for the channel')
    fit.numbered()
    return planText(fit, numberedText(body, choices, first))
  }
  const shortened = buttons.filter((choice) => measure(choice.label, unit) > native.maxLabel)
  if (shortened.length > 0) fit.lose('long button labels are shortened; the text has them in full')
  const fullLabels = shortened.map((choice) => `- ${choice.label}`)
  const text =
    [body, fullLabels.join('\n'), linkLines.join('\n')].filter(Boolean).join('\n\n') ||
    buttons.map((choice) => choice.label).join(' / ')
  const fitted = buttons.map((choice, index) => ({
    ...choice,
    label: short[index] ?? choice.label,
    value: choice.value ?? choice.label,
  }))
  return withButtons(fit, text, fitted, native.maxText)
}

/** Long text goes ahead in parts of its own; the buttons stand below the last one. */
function withButtons(fit: Fit, text: string, choices: readonly Choice[], maxText: number | undefined): PlannedPart[] {
  const limit = Math.min(maxText ?? fit.maxLength, fit.maxLength)
  const pieces = planText(fit, text, limit)
  const last = pieces.at(-1)
  if (!last) return pieces
  const list = numberedText(last.text, choices, 1)
  const fallback = measure(list, fit.unit) <= fit.maxLength ? list : last.text
  return [...pieces.slice(0, -1), { text: fallback, content: { type: 'choices', text: textOf(last), choices } }]
}

export function numberedText(body: string, choices: readonly Choice[], first: number): string {
  const lines = choices.map((choice, index) => {
    const link = choice.url === undefined ? '' : `: ${choice.url}`
    return `${first + index}. ${choice.label}${link}`
  })
  return [body.trimEnd(), lines.join('\n')].filter(Boolean).join('\n\n')
}

/** Every choice of a message in the order of its numbers. */
export function choicesOf(parts: readonly Part[]): readonly Choice[] {
  return parts.flatMap((part): readonly Choice[] => {
    if (part.type === 'choices') return part.choices
    if (part.type === 'card') return part.choices ?? []
    return part.type === 'carousel' ? part.cards.flatMap((card: Card) => card.choices ?? []) : []
  })
}

/** One to ten in the languages that customers most often answer in; other ones have their digits. */
const numberWords: readonly (readonly string[])[] = [
  'one eins un une uno um uma een ett en',
  'two zwei deux dos due dois duas twee två to',
  'three drei trois tres tre três drie tri',
  'four vier quatre cuatro quattro quatro fyra fire',
  'five fünf cinq cinco cinque vijf fem',
  'six sechs seis sei zes sex seks',
  'seven sieben sept siete sette sete zeven sju syv',
  'eight acht huit ocho otto oito åtta otte',
  'nine neun neuf nueve nove negen nio ni',
  'ten zehn dix diez dieci dez tien tio ti',
].map((line) => line.split(' '))

/**
 * Which choice a typed answer means: its value or label, its number in digits of any script or as a word, or its letter.
 * Null where it is none of them for certain: then it is an ordinary message.
 */
export function matchChoice(text: string, choices: readonly Choice[]): Choice | null {
  const said = fold(text)
  if (said === '') return null
  const exact = choices.find((choice) => fold(choice.label) === said || fold(choice.value ?? '') === said)
  if (exact) return exact
  const number = numberSaid(said)
  return number === null ? null : (choices[number - 1] ?? null)
}

function numberSaid(said: string): number | null {
  if (/^\p{Nd}{1,3}$/u.test(said)) return Number(Array.from(said, digitValue).join(''))
  const word = numberWords.findIndex((words) => words.includes(said))
  if (word >= 0) return word + 1
  return /^[a-z]$/.test(said) ? said.charCodeAt(0) - 96 : null
}

/** Decimal digits of every script stand in runs of ten that begin at their zero. */
function digitValue(digit: string): number {
  const point = digit.codePointAt(0) ?? 0
  let zero = point
  while (zero > point - 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1
  return point - zero
}

/** Case, accents' spelling, and the marks people put around a number ("2.", "#2", "(2)", "2️⃣") do not matter. */
function fold(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[\u20e3\ufe0f]/g, '')
    .replaceAll(/^[\s\p{P}\p{S}]+|[\s\p{P}\p{S}]+$/gu, '')
    .replaceAll(/\s+/gu, ' ')
}
