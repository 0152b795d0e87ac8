import {
  FORWARD_PREFIXES,
  FORWARDED,
  HEADER_KINDS,
  OPENERS,
  ORIGINAL,
  WROTE,
  WROTE_UNSPACED,
} from './language-markers.js'

/** Only so much is searched for quotes; one pass over lines, no backtracking patterns. */
const MAX_SCAN = 65_536
const MAX_HEADER_LINES = 4
const MAX_HEADER_CHARS = 500

/** Stands on a line of its own where the HTML of a mail says that a quote begins; a noncharacter, never in real text. */
export const QUOTE_MARK = '\ufdd0'

/**
 * What the customer wrote now, without the quoted history below it. Errs on the side of showing too much: forwards,
 * answers between quoted lines and mails that consist of a quote only are kept whole. Signatures stay.
 */
export function trimReply(text: string, options: { readonly subject?: string } = {}): string {
  const lines = text.slice(0, MAX_SCAN).split('\n')
  const rest = text.slice(MAX_SCAN)
  const cut = isForward(options.subject ?? '') ? null : findCut(lines)
  const whole = stripMarks(text)
  if (cut !== null) {
    const kept = tidy(lines.slice(0, cut))
    return kept === '' ? whole : kept
  }
  if (rest !== '' || lines.some(startsForward)) return whole
  const kept = tidy(withoutTrailingQuote(lines))
  return kept === '' ? whole : kept
}

/** `Fwd: …`, `WG: …` in the subject: the copied headers below are the message, not history. */
export function isForward(subject: string): boolean {
  const colon = subject.indexOf(':')
  return colon > 0 && colon <= 12 && FORWARD_PREFIXES.includes(subject.slice(0, colon).trim().toLowerCase())
}

/** Index of the line where the history begins; null: nowhere, or the answer stands between the quotes. */
function findCut(lines: readonly string[]): number | null {
  for (let at = 0; at < lines.length; at++) {
    if (startsForward(lines[at] as string)) return null
    const start = historyAt(lines, at)
    if (start === 'keep') return null
    if (start !== null) return start
  }
  return null
}

/** Does the line begin the history, or end the line that does? `keep`: it does, but an answer stands in between. */
function historyAt(lines: readonly string[], at: number): number | 'keep' | null {
  const line = lines[at] as string
  if (line.startsWith(QUOTE_MARK)) return historyAtMark(lines, at)
  if (isQuoted(line)) return null
  if (isOriginalTitle(line) || isHeaderBlock(lines, at)) return at
  const start = wroteLineEndingAt(lines, at)
  return start !== null && isInterleaved(lines, at + 1) ? 'keep' : start
}

/** The attribution stands below the mark; what counts is whether an answer stands between the quoted lines after it. */
function historyAtMark(lines: readonly string[], at: number): number | 'keep' {
  if (forwardFollows(lines, at + 1)) return 'keep'
  for (let after = at + 1; after < Math.min(at + 7, lines.length); after++) {
    if (isQuoted(lines[after] as string)) return isInterleaved(lines, after) ? 'keep' : at
  }
  return at
}

function isQuoted(line: string): boolean {
  const trimmed = line.trimStart()
  return trimmed.startsWith('>') && trimmed.trimEnd() !== '>:'
}

function startsForward(line: string): boolean {
  const title = bare(line)
  if (title.length > 80) return false
  const dashed = /^[\s>*]*[-_–—=]{2}/.test(line.slice(0, 40))
  return FORWARDED.some((marker) =>
    dashed ? title.startsWith(marker) : title === marker || (title.startsWith(marker) && title.endsWith(':')),
  )
}

function forwardFollows(lines: readonly string[], from: number): boolean {
  for (let at = from; at < Math.min(from + 4, lines.length); at++) if (startsForward(lines[at] as string)) return true
  return false
}

/** A line without quote signs, dashes and stars around it, in lower case. */
function bare(line: string): string {
  let from = 0
  let to = line.length
  while (from < to && ' \t>*-_–—=\u00a0'.includes(line[from] as string)) from++
  while (to > from && ' \t*-_–—=\u00a0'.includes(line[to - 1] as string)) to--
  return line.slice(from, to).toLowerCase()
}

function isOriginalTitle(line: string): boolean {
  const trimmed = line.trim()
  return /^[-_–—*]{2}/.test(trimmed) && ORIGINAL.has(bare(trimmed))
}

/** At least three different copied headers, From among them, within a few lines. */
function isHeaderBlock(lines: readonly string[], at: number): boolean {
  if (headerKind(lines[at] as string) === null) return false
  const kinds = new Set<string>()
  let blanks = 0
  for (let i = at; i < Math.min(at + 10, lines.length); i++) {
    const line = lines[i] as string
    if (line.trim() === '') {
      if (++blanks > 3) break
      continue
    }
    const kind = headerKind(line)
    if (kind !== null) kinds.add(kind)
  }
  return kinds.size >= 3 && kinds.has('from')
}

function headerKind(line: string): string | null {
  const start = line.slice(0, 40).replace(/[*\u00a0\u200e\u200f]/g, ' ')
  const ascii = start.indexOf(':')
  const wide = start.indexOf('：')
  const colon = ascii < 0 ? wide : wide < 0 ? ascii : Math.min(ascii, wide)
  return colon < 1 ? null : (HEADER_KINDS.get(start.slice(0, colon).trim().toLowerCase()) ?? null)
}

/**
 * Is `end` the last line of "On <date>, <somebody> wrote:"? Answers the line where it starts. Such lines are broken over up
 * to four lines; the shortest fitting run counts, lengthened upwards to an opening word (`On`, `Am`, `Le` …).
 */
function wroteLineEndingAt(lines: readonly string[], end: number): number | null {
  const last = withoutMarks(lines[end] as string)
  if (last === '') return null
  const colon = last.endsWith(':') || last.endsWith('：')
  if (!colon && !endsWithVerb(last.toLowerCase())) return null
  let joined = ''
  for (let start = end; start >= 0 && end - start < MAX_HEADER_LINES; start--) {
    const line = withoutMarks(lines[start] as string)
    if (line === '' || (start < end && isQuoted(line))) return null
    joined = joined === '' ? line : `${line} ${joined}`
    if (joined.length > MAX_HEADER_CHARS) return null
    if (start < end && !hasDigitEarly(line)) continue
    if (isAttribution(joined.toLowerCase(), colon)) return openingAbove(lines, start)
  }
  return null
}

/** Without the invisible direction marks around names in right-to-left mail. */
function withoutMarks(line: string): string {
  return line.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '').trim()
}

function isAttribution(line: string, colon: boolean): boolean {
  const address = /[\w.+-]@[\w-]/.test(line)
  const dated = /(?:^|\D)(?:(?:19|20)\d\d(?:\D|$)|\d{1,2}[:.h]\d\d(?:\D|$))/.test(line)
  if (!dated) return false
  const verb = hasVerb(line)
  if (!colon) return verb && address
  if (verb) return address || opens(line) || /^\p{L}{2,12}[,.]? ?\d|^\d/u.test(line)
  return endsWithAddress(line)
}

/** `… <bob@example.com>:` */
function endsWithAddress(line: string): boolean {
  let end = line.length
  while (end > 0 && ' \u00a0:：'.includes(line[end - 1] as string)) end--
  const close = line[end - 1]
  if (close !== '>' && close !== ')') return false
  const open = Math.max(line.lastIndexOf('<', end), line.lastIndexOf('(', end))
  return open >= 0 && line.slice(open, end).includes('@')
}

function hasVerb(line: string): boolean {
  if (WROTE_UNSPACED.some((verb) => line.includes(verb))) return true
  return WROTE.some((verb) => {
    for (let at = line.indexOf(verb); at >= 0; at = line.indexOf(verb, at + 1)) {
      const before = line[at - 1] ?? ' '
      const after = line[at + verb.length] ?? ' '
      if (!/\p{L}/u.test(before) && !/\p{L}/u.test(after)) return true
    }
    return false
  })
}

function endsWithVerb(line: string): boolean {
  return WROTE.some((verb) => line.endsWith(verb)) || WROTE_UNSPACED.some((verb) => line.endsWith(verb))
}

function opens(line: string): boolean {
  const word = line.split(/[\s.,]/, 1)[0] ?? ''
  return OPENERS.has(word.toLowerCase())
}

function hasDigitEarly(line: string): boolean {
  return /\d/.test(line.slice(0, 32))
}

/** Dates are broken over lines too: `On Nov 21, 2014,` stands above `at 10:18,`. */
function openingAbove(lines: readonly string[], start: number): number {
  for (let at = start - 1; at >= 0 && start - at < MAX_HEADER_LINES; at--) {
    const line = (lines[at] as string).trim()
    if (line === '' || isQuoted(line) || line.length > 60) break
    if (opens(line) && hasDigitEarly(line) && (line.endsWith(',') || /\D(?:19|20)\d\d\D?$/.test(line))) return at
  }
  return start
}

/** Does somebody answer between quoted lines, or below them? A signature after the quote is no answer. */
function isInterleaved(lines: readonly string[], from: number): boolean {
  let quoted = 0
  for (let at = from; at < lines.length; at++) {
    const line = lines[at] as string
    if (isQuoted(line)) {
      quoted++
      continue
    }
    if (line.trim() === '' || line.startsWith(QUOTE_MARK)) continue
    // Text right below the attribution that is not marked as a quote: this program does not mark quotes at all.
    if (quoted === 0) return false
    if (/^(?:--|__|—)\s*$/.test(line.trim())) return false
    if (!isWrappedQuote(lines, at)) return true
  }
  return false
}

/** A quoted line that was too long and continues without its `>`. */
function isWrappedQuote(lines: readonly string[], at: number): boolean {
  const before = lines[at - 1] ?? ''
  return isQuoted(before) && before.length >= 60 && /^\p{Ll}/u.test((lines[at] as string).trim())
}

function withoutTrailingQuote(lines: readonly string[]): readonly string[] {
  let end = lines.length
  while (end > 0 && ((lines[end - 1] as string).trim() === '' || isQuoted(lines[end - 1] as string))) end--
  return lines.slice(0, end)
}

/** Without empty lines around it and without the rule that stood above the history. */
function tidy(lines: readonly string[]): string {
  let end = lines.length
  while (end > 0 && /^[\s\-_–—*=]*$/.test((lines[end - 1] as string).slice(0, 200))) end--
  // `-- ` opens a signature; with nothing below it there is none.
  return stripMarks(lines.slice(0, end).join('\n'))
}

function stripMarks(text: string): string {
  const plain = text.includes(QUOTE_MARK) ? text.replaceAll(`${QUOTE_MARK}\n`, '').replaceAll(QUOTE_MARK, '') : text
  const lines = plain.split('\n')
  let start = 0
  while (start < lines.length && (lines[start] as string).trim() === '') start++
  return lines.slice(start).join('\n').trimEnd()
}
