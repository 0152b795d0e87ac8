import type { TextUnit } from '@throughline/plugin-sdk'

/** How long a text is in a channel's own unit. Meters are incremental, so that splitting stays linear. */
export interface Meter {
  /** Adds a piece and answers the length of everything added so far. Never shrinks. */
  add(piece: string): number
}

/** GSM 03.38: one septet each, the extension table two. Anything else turns the whole SMS into UCS-2. */
const gsmBasic = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡' +
    'ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const gsmExtended = new Set('\f^{}\\[~]|€')

export function meter(unit: TextUnit): Meter {
  if (unit === 'gsm7') return gsmMeter()
  let total = 0
  return {
    add: (piece) => (total += additive(piece, unit)),
  }
}

function additive(piece: string, unit: Exclude<TextUnit, 'gsm7'>): number {
  switch (unit) {
    case 'utf16':
      return piece.length
    case 'codepoint':
      return Array.from(piece).length
    case 'byte':
      return Buffer.byteLength(piece)
  }
}

/**
 * Septets. One character outside the alphabet makes the text UCS-2: 70 characters stand where 160 septets stood, 67
 * instead of 153 in longer ones, and the length is told as that many septets.
 */
function gsmMeter(): Meter {
  let septets = 0
  let utf16 = 0
  let unicode = false
  return {
    add(piece) {
      for (const character of piece) {
        utf16 += character.length
        if (gsmExtended.has(character)) septets += 2
        else if (gsmBasic.has(character)) septets += 1
        else unicode = true
      }
      if (!unicode) return septets
      return utf16 <= 70 ? Math.ceil((utf16 * 160) / 70) : Math.ceil((utf16 * 153) / 67)
    },
  }
}

export function measure(text: string, unit: TextUnit): number {
  return meter(unit).add(text)
}

const graphemeSegmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

const WINDOW = 256

/**
 * What a reader calls characters: an emoji with its joiners and a letter with its accents are one. Looked at in windows,
 * because the segmenter's time grows with the square of the length; the last one of a window may go on, so it is looked
 * at again with the next.
 */
export function graphemes(text: string): string[] {
  const found: string[] = []
  let from = 0
  let size = WINDOW
  while (from < text.length) {
    let to = Math.min(from + size, text.length)
    // Half of a surrogate pair would be another character.
    if (to < text.length && (text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to -= 1
    const window = Array.from(graphemeSegmenter.segment(text.slice(from, to)), (part) => part.segment)
    const open = to < text.length ? (window.pop() ?? '') : ''
    for (const each of window) found.push(each)
    // One grapheme fills the whole window: look at more of it.
    size = window.length === 0 ? size * 2 : WINDOW
    if (window.length > 0) from = to - open.length
  }
  return found
}

/** At most `max` units, cut between graphemes, with an ellipsis where something is missing. */
export function truncate(text: string, max: number, unit: TextUnit): string {
  if (measure(text, unit) <= max) return text
  const ellipsis = unit === 'gsm7' ? '...' : '…'
  let kept = ''
  for (const grapheme of graphemes(text)) {
    if (measure(kept + grapheme + ellipsis, unit) > max) break
    kept += grapheme
  }
  return kept.trimEnd() + ellipsis
}
