/** The part of Markdown that people write in chats: found, kept whole when a text is split, or taken away. */

export interface Span {
  readonly start: number
  readonly end: number
  /** What stands around the content, when it can be closed and opened again at a cut. */
  readonly wrap?: { readonly open: string; readonly close: string }
}

const url = String.raw`(?:https?|ftp|mailto|tel):[^\s<>]*[^\s<>.,;:!?)\]*_~]`
const email = String.raw`[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}`
const entity = String.raw`&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][a-z\d]{1,31});`
// The lengths are bounded, so that a text full of unmatched markers costs linear, not quadratic time.
const fence = String.raw`(?<=^|\n)(?<fence>${'`{3,}'}|~{3,})(?<info>[^\n]{0,100})\n(?<block>[\s\S]{0,60000}?)\n?(?<=\n)\k<fence>(?=[ \t]*(?:\n|$))`
const code = String.raw`(?<tick>${'`{1,2}'})(?!${'`'})(?<code>[^\n]{0,2000}?[^${'`'}\n])\k<tick>(?!${'`'})`
const link = String.raw`!?\[(?<label>[^\]\n]{0,1000})\]\(\s*<?(?<target>[^\s)>]{0,2000})>?(?:\s+"[^"\n]{0,200}")?\s*\)`
const inside = String.raw`(?:(?!\n[ \t]*\n)[\s\S]){0,2000}?`
const strong = String.raw`(?<mark>\*\*|~~|(?<![\p{L}\p{N}_])__)(?=\S)(?<strong>${inside}\S)\k<mark>(?!\*)`
// One star or underscore inside a word or a sum (2*3*4) is meant as it stands.
const star = String.raw`(?<![\p{L}\p{N}*])\*(?=[^\s*]|\*\*\S)(?<star>${inside}(?<=[^\s*]|\*\*))\*(?![\p{L}\p{N}*])`
const under = String.raw`(?<![\p{L}\p{N}_])_(?=[^\s_])(?<under>${inside}(?<=[^\s_]|__))_(?![\p{L}\p{N}_])`
const escaped = String.raw`\\(?<escaped>[!-/:-@\[-${'`'}{-~])`

const plainPattern = new RegExp(`${url}|${email}|${entity}`, 'giu')
const markdownPattern = new RegExp(
  [
    fence,
    code,
    escaped,
    link,
    `(?<url>${url})`,
    `(?<email>${email})`,
    `(?<entity>${entity})`,
    strong,
    star,
    under,
  ].join('|'),
  'giu',
)

/** Outermost pieces that a cut must not go through: links, addresses, entities, and in Markdown emphasis and code. */
export function spansOf(text: string, markdown: boolean): readonly Span[] {
  const spans: Span[] = []
  for (const match of text.matchAll(markdown ? markdownPattern : plainPattern)) {
    const start = match.index
    const end = start + match[0].length
    const wrap = markdown ? wrapOf(match.groups ?? {}) : undefined
    spans.push(wrap ? { start, end, wrap } : { start, end })
  }
  return spans
}

function wrapOf(groups: Readonly<Record<string, string | undefined>>): Span['wrap'] {
  const { fence: ticks, tick, mark, star: starred, under: underlined } = groups
  if (ticks) return { open: `${ticks}${groups['info'] ?? ''}\n`, close: `\n${ticks}` }
  if (tick) return { open: tick, close: tick }
  if (mark) return { open: mark, close: mark }
  if (starred !== undefined) return { open: '*', close: '*' }
  if (underlined !== undefined) return { open: '_', close: '_' }
  return undefined
}

const named: Readonly<Record<string, string>> = Object.freeze({
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
})

/** The same words without marks. Labels of links keep their address; bullets become dashes. */
export function stripMarkdown(text: string): string {
  return text
    .replaceAll(markdownPattern, (...args: unknown[]) => {
      const whole = args[0] as string
      const groups = args.at(-1) as Record<string, string | undefined>
      if (groups['fence']) return groups['block'] ?? ''
      if (groups['tick']) return groups['code'] ?? ''
      if (groups['escaped'] !== undefined) return groups['escaped']
      if (groups['target'] !== undefined) return linkText(whole, groups['label'] ?? '', groups['target'])
      if (groups['entity']) return decodeEntity(groups['entity'])
      const inner = groups['strong'] ?? groups['star'] ?? groups['under']
      return inner === undefined ? whole : stripMarkdown(inner)
    })
    .replaceAll(/^[ \t]{0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$/gm, '$1')
    .replaceAll(/^([ \t]*)[*+][ \t]+/gm, '$1- ')
}

function linkText(whole: string, label: string, target: string): string {
  const words = stripMarkdown(label).trim()
  if (!words || words === target || `mailto:${words}` === target || `tel:${words}` === target) return words || target
  return target ? `${words} (${target})` : whole
}

function decodeEntity(text: string): string {
  const body = text.slice(1, -1).toLowerCase()
  if (!body.startsWith('#')) return named[body] ?? text
  const point = body.startsWith('#x') ? Number.parseInt(body.slice(2), 16) : Number.parseInt(body.slice(1), 10)
  const usable = point >= 0x20 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff)
  return usable ? String.fromCodePoint(point) : text
}
