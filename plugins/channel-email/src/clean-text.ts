/** Control characters except tab and newline, and byte order marks. PostgreSQL refuses NUL, and none of them belongs into a message. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f\ufeff]/g

/** Text of several lines: CRLF → LF, no control characters, no lone surrogates. */
export function cleanText(text: string): string {
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replace(CONTROLS, '')
  // A round trip over UTF-8 turns lone surrogates (UTF-16 and UTF-7 bodies) into U+FFFD.
  return Buffer.from(lines, 'utf8').toString('utf8')
}

/** One line: every control character becomes a blank, so that nothing decoded can open a new header line. */
export function cleanLine(text: string, max: number): string {
  const line = cleanText(text.slice(0, max * 4)).replace(/[\n\t\u2028\u2029]+/g, ' ')
  return sliceWellFormed(line.trim(), max)
}

/** Cuts to at most `max` UTF-16 units without splitting a surrogate pair. */
export function sliceWellFormed(text: string, max: number): string {
  if (text.length <= max) return text
  const last = text.charCodeAt(max - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max)
}
