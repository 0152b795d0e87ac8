import type { TextUnit } from '@throughline/plugin-sdk'
import { spansOf, type Span } from './markdown.js'
import { graphemes, measure, meter } from './units.js'

export interface SplitOptions {
  readonly maxLength: number
  readonly unit: TextUnit
  /** Emphasis and code are kept whole, or closed and opened again where they are longer than a whole part. */
  readonly markdown: boolean
}

/** How good a place is for a cut; 0 is between two graphemes. */
const GRAPHEME = 0
const WORD = 1
const SPACE = 2
const SENTENCE = 3
const LINE = 4
const PARAGRAPH = 5

/** Marks of the emphasis a place stands in: closed at a cut, opened again after it. */
interface Around {
  readonly open: string
  readonly close: string
}

/** Something that is never cut. `glued`: no cut after it either. */
interface Token extends Around {
  readonly start: number
  readonly end: number
  readonly text: string
  readonly glued: boolean
}

const words = new Intl.Segmenter(undefined, { granularity: 'word' })
/** Longer runs without a space are looked at in pieces: the segmenter's time grows with the square of the length. */
const WINDOW = 256

/**
 * Pieces of at most `maxLength` units, in order; only white space at the cuts is dropped. A better place for a cut wins
 * as long as the piece stays at least half full. Never empty pieces; a blank text has none.
 */
export function splitText(text: string, options: SplitOptions): string[] {
  if (isBlank(text)) return []
  if (measure(text, options.unit) <= options.maxLength) return [text]
  const tokens = tokensOf(text, options)
  const strength = breakStrengths(text)
  const pieces: string[] = []
  let next = 0
  while (next < tokens.length) {
    const last = lastOfPiece(tokens, next, strength, options)
    const piece = render(text, tokens, next, last)
    if (!isBlank(piece)) pieces.push(piece)
    next = last + 1
    while (next < tokens.length && isBlank(text.slice(tokens[next]!.start, tokens[next]!.end))) next += 1
  }
  return pieces
}

export function isBlank(text: string): boolean {
  return /^[\s\p{Cc}\p{Cf}]*$/u.test(text)
}

function render(text: string, tokens: readonly Token[], first: number, last: number): string {
  const body = text.slice(tokens[first]!.start, tokens[last]!.end).trimEnd()
  // What was opened before this piece is opened again, what is still open at its end is closed.
  const open = first === 0 ? '' : tokens[first - 1]!.open
  const close = last === tokens.length - 1 ? '' : tokens[last]!.close
  return open + body + close
}

function lastOfPiece(
  tokens: readonly Token[],
  first: number,
  strength: ReadonlyMap<number, number>,
  options: SplitOptions,
): number {
  const length = meter(options.unit)
  if (first > 0) length.add(tokens[first - 1]!.open)
  // A token that does not fit even alone (a limit below one character) still has to go out.
  let any = first
  const places: { readonly index: number; readonly used: number; readonly strength: number }[] = []
  for (let index = first; index < tokens.length; index += 1) {
    const token = tokens[index]!
    const used = length.add(token.text)
    if (used > options.maxLength) break
    const isLast = index === tokens.length - 1
    if (isLast) return index
    if (used + closeLength(token.close, options.unit) > options.maxLength) continue
    any = index
    if (!token.glued) places.push({ index, used, strength: strength.get(token.end) ?? GRAPHEME })
  }
  for (let wanted = PARAGRAPH; wanted > GRAPHEME; wanted -= 1) {
    const floor = wanted > SPACE ? options.maxLength / 2 : 0
    const best = places.findLast((place) => place.strength >= wanted && place.used >= floor)
    if (best) return best.index
  }
  return places.at(-1)?.index ?? any
}

/** One more character can cost three septets once a text is UCS-2. */
function closeLength(close: string, unit: TextUnit): number {
  return unit === 'gsm7' ? close.length * 3 : measure(close, unit)
}

function tokensOf(text: string, options: SplitOptions): Token[] {
  const tokens: Token[] = []
  const push = (start: number, end: number, around: Around, glued = false): void => {
    tokens.push({ start, end, text: text.slice(start, end), open: around.open, close: around.close, glued })
  }
  const cut = (from: number, to: number, around: Around): void => {
    let at = from
    for (const grapheme of graphemes(text.slice(from, to))) {
      // A pile of combining marks longer than half a part is the one grapheme that gets cut, between code points.
      const atoms = measure(grapheme, options.unit) > options.maxLength / 2 ? Array.from(grapheme) : [grapheme]
      for (const atom of atoms) {
        push(at, at + atom.length, around)
        at += atom.length
      }
    }
  }
  const walk = (from: number, to: number, around: Around): void => {
    let at = from
    for (const span of spansOf(text.slice(from, to), options.markdown)) {
      const start = from + span.start
      const end = from + span.end
      cut(at, start, around)
      at = end
      if (measure(around.open + text.slice(start, end) + around.close, options.unit) <= options.maxLength) {
        push(start, end, around)
      } else open(span, start, end, around)
    }
    cut(at, to, around)
  }
  /** Emphasis that is longer than a whole part: its marks stay with their neighbours, its inside may be cut. */
  const open = (span: Span, start: number, end: number, outer: Around): void => {
    const wrap = span.wrap
    const inner = wrap && { open: outer.open + wrap.open, close: wrap.close + outer.close }
    if (!inner || measure(inner.open + inner.close, options.unit) > options.maxLength / 2) {
      cut(start, end, outer)
      return
    }
    push(start, start + wrap.open.length, inner, true)
    walk(start + wrap.open.length, end - wrap.close.length, inner)
    const last = tokens.pop()
    if (last) tokens.push({ ...last, glued: true })
    push(end - wrap.close.length, end, outer)
  }
  walk(0, text.length, { open: '', close: '' })
  return tokens
}

/** By offset: how good a cut there is. Both ends of a run of white space count, the white space itself is dropped. */
function breakStrengths(text: string): Map<number, number> {
  const strengths = new Map<number, number>()
  const raise = (index: number, to: number): void => {
    if ((strengths.get(index) ?? GRAPHEME) < to) strengths.set(index, to)
  }
  // Scripts without spaces have words all the same.
  for (const run of text.matchAll(/\S+/gu)) {
    for (let from = 0; from < run[0].length; from += WINDOW) {
      for (const { index } of words.segment(run[0].slice(from, from + WINDOW))) {
        if (index > 0) raise(run.index + from + index, WORD)
      }
    }
  }
  for (const stop of text.matchAll(/[。！？]+[」』）]*/gu)) raise(stop.index + stop[0].length, SENTENCE)
  for (const run of text.matchAll(/(?<stop>[.!?…؟।]["'”’)\]]{0,3})?(?<space>\s+)/gu)) {
    const space = run.groups?.['space'] ?? ''
    const end = run.index + run[0].length
    const lines = space.split('\n').length - 1
    const kind = lines > 1 ? PARAGRAPH : lines === 1 ? LINE : run.groups?.['stop'] ? SENTENCE : SPACE
    raise(end - space.length, kind)
    raise(end, kind)
  }
  return strengths
}
