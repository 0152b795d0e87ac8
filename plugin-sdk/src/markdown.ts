/** How a network writes what Markdown means. Every function gets text that is already written in the network's way. */
export type MarkdownStyle = {
  /** Literal text: escape here. */
  text(literal: string): string
  bold(inner: string): string
  italic(inner: string): string
  strike(inner: string): string
  /** Literal code of one line. */
  code(literal: string): string
  /** Literal code of several lines. */
  block(literal: string, language: string): string
  link(label: string, url: string): string
  quote(inner: string): string
}

/**
 * Writes the part of Markdown that people use in chats in a network's own way: bold, italic, strike-through, code, links,
 * headings (as bold), quotes and lists. Everything else stays literal; nothing is lost. Text of more than 100 000
 * characters is taken literally.
 *
 * @example
 * renderMarkdown('**Hi** _you_', { ...style, bold: (s) => `*${s}*`, italic: (s) => `_${s}_` })
 */
export function renderMarkdown(source: string, style: MarkdownStyle): string {
  if (source.length > 100_000) return style.text(source)
  const lines = source.split('\n')
  const out: string[] = []
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] ?? ''
    const fence = /^```([\w+-]*)\s*$/.exec(line)
    if (fence !== null) {
      const end = lines.indexOf('```', i + 1)
      if (end > i) {
        out.push(style.block(lines.slice(i + 1, end).join('\n'), fence[1] ?? ''))
        i = end
        continue
      }
    }
    if (/^> ?/.test(line)) {
      let end = i
      while (/^> ?/.test(lines[end + 1] ?? '')) end += 1
      const quoted = lines.slice(i, end + 1).map((text) => inline(text.replace(/^> ?/, ''), style))
      out.push(style.quote(quoted.join('\n')))
      i = end
      continue
    }
    out.push(blockLine(line, style))
  }
  return out.join('\n')
}

function blockLine(line: string, style: MarkdownStyle): string {
  const heading = /^#{1,6} +(\S.*)$/.exec(line)
  if (heading !== null) {
    const title = (heading[1] ?? '').replace(/\s+#+$/, '')
    const bare = /^\*\*([^*]+)\*\*$/.exec(title)?.[1] ?? title
    return style.bold(inline(bare, style))
  }
  const bullet = /^(\s*)[*+-] +(\S.*)$/.exec(line)
  if (bullet !== null) return `${bullet[1] ?? ''}- ${inline(bullet[2] ?? '', style)}`
  return inline(line, style)
}

const marks = [
  ['**', 'bold'],
  ['__', 'bold'],
  ['~~', 'strike'],
  ['*', 'italic'],
  ['_', 'italic'],
] as const

const isWord = (character: string | undefined): boolean => character !== undefined && /[\p{L}\p{N}]/u.test(character)

/** Deeper nesting is somebody trying; it stays literal. */
const maxDepth = 8

function inline(source: string, style: MarkdownStyle, depth = 0): string {
  if (depth > maxDepth) return style.text(source)
  let out = ''
  let literal = ''
  const flush = () => {
    if (literal !== '') out += style.text(literal)
    literal = ''
  }
  const put = (written: string, length: number) => {
    flush()
    out += written
    i += length
  }
  let i = 0
  while (i < source.length) {
    const character = source[i] ?? ''
    if (character === '\\' && /[\\`*_~[\]()#>+.!-]/.test(source[i + 1] ?? '')) {
      literal += source[i + 1]
      i += 2
      continue
    }
    if (character === '`') {
      const end = source.indexOf('`', i + 1)
      if (end > i + 1) {
        put(style.code(source.slice(i + 1, end)), end + 1 - i)
        continue
      }
    }
    if (character === '<') {
      const bare = /^<(https?:\/\/[^\s<>]{1,2000})>/.exec(source.slice(i, i + 2100))?.[1]
      if (bare !== undefined) {
        put(style.link(bare, bare), bare.length + 2)
        continue
      }
    }
    if (character === '[' || (character === '!' && source[i + 1] === '[')) {
      const link = /^!?\[([^[\]\n]{1,1000})\]\((\S{1,2000}?)(?: "[^"\n]{0,200}")?\)/.exec(source.slice(i, i + 3300))
      if (link !== null) {
        put(style.link(inline(link[1] ?? '', style, depth + 1), link[2] ?? ''), link[0].length)
        continue
      }
    }
    const mark = marks.find(([sign]) => source.startsWith(sign, i))
    const end = mark === undefined ? -1 : closing(source, i, mark[0])
    if (mark !== undefined && end > 0) {
      put(style[mark[1]](inline(source.slice(i + mark[0].length, end), style, depth + 1)), end + mark[0].length - i)
      continue
    }
    // A sign that opens nothing is passed whole: half of `**` must not be taken for `*`.
    const length = mark === undefined ? 1 : mark[0].length
    literal += source.slice(i, i + length)
    i += length
  }
  flush()
  return out
}

/** Where the sign that opened at `start` closes; -1 when it is a plain character, as in `2*3*4` or `snake_case`. */
function closing(source: string, start: number, sign: string): number {
  const first = source[start + sign.length]
  if (isWord(source[start - 1]) || first === undefined || /\s/.test(first)) return -1
  let end = source.indexOf(sign, start + sign.length + 1)
  // A bounded look ahead keeps the whole linear in the length of the text.
  for (let tries = 0; end > 0 && tries < 50; tries += 1, end = source.indexOf(sign, end + 1)) {
    const longer = sign.length === 1 && (source[end + 1] === sign || source[end - 1] === sign)
    if (!longer && !/[\s\\]/.test(source[end - 1] ?? ' ') && !isWord(source[end + sign.length])) return end
  }
  return -1
}
