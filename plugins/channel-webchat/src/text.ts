// Cc except tab and newline. NUL cannot be stored by PostgreSQL at all, the others have no meaning in a chat.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Text as it may be stored and shown: newlines unified, control characters and lone surrogates made visible. */
export function cleanText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(CONTROL, '\uFFFD').replace(LONE_SURROGATE, '\uFFFD')
}

/** One line for names and labels: cleaned, white space folded, cut at `max` without splitting a character. */
export function cleanLine(text: string, max: number): string {
  const line = cleanText(text).replace(/\s+/g, ' ').trim()
  return line.length <= max ? line : cleanText(line.slice(0, max)).replace(/\uFFFD$/, '')
}
