const MAX_INLINE = 20_000

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** Plain text as HTML: paragraphs, line breaks, links on http(s) addresses. Everything is escaped. */
export function plainToHtml(text: string): string {
  return blocks(text)
    .map((block) => `<p>${block.map((line) => linkify(line)).join('<br>\n')}</p>`)
    .join('\n')
}

/** A small subset of Markdown as HTML: paragraphs, lists, quotes, **bold**, *italic*, `code`, [label](https://…). No HTML passes. */
export function markdownToHtml(text: string): string {
  return blocks(text)
    .map((lines) => {
      if (lines.every((line) => /^\s{0,8}[-*•] /.test(line))) return list('ul', lines, /^\s{0,8}[-*•] /)
      if (lines.every((line) => /^\s{0,8}\d{1,4}[.)] /.test(line))) return list('ol', lines, /^\s{0,8}\d{1,4}[.)] /)
      if (lines.every((line) => line.startsWith('>'))) {
        return `<blockquote>${lines.map((line) => inline(line.replace(/^> ?/, ''))).join('<br>\n')}</blockquote>`
      }
      return `<p>${lines.map((line) => inline(line.replace(/^#{1,6} /, ''))).join('<br>\n')}</p>`
    })
    .join('\n')
}

function list(tag: 'ul' | 'ol', lines: readonly string[], marker: RegExp): string {
  return `<${tag}>${lines.map((line) => `<li>${inline(line.replace(marker, ''))}</li>`).join('')}</${tag}>`
}

function blocks(text: string): readonly (readonly string[])[] {
  const found: string[][] = [[]]
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    if (line.trim() === '') found.push([])
    else found.at(-1)?.push(line)
  }
  return found.filter((block) => block.length > 0)
}

/** One pass from left to right; a mark without its partner is text. */
function inline(line: string): string {
  if (line.length > MAX_INLINE) return escapeHtml(line)
  let out = ''
  let plain = ''
  const flush = () => {
    out += linkify(plain)
    plain = ''
  }
  let at = 0
  while (at < line.length) {
    const span = spanAt(line, at)
    if (span === null) {
      plain += line[at]
      at++
      continue
    }
    flush()
    out += span.html
    at = span.end
  }
  flush()
  return out
}

function spanAt(line: string, at: number): { readonly html: string; readonly end: number } | null {
  const char = line[at]
  if (char === '`') return wrapped(line, at, '`', 'code')
  if (char === '*' && line[at + 1] === '*') return wrapped(line, at, '**', 'strong')
  if (char === '*') return wrapped(line, at, '*', 'em')
  if (char === '_' && !/\w/.test(line[at - 1] ?? ' ')) return wrapped(line, at, '_', 'em')
  if (char !== '[') return null
  // Bounded like the marks below.
  const window = line.slice(at, at + 2100)
  const label = window.indexOf('](')
  const length = label < 0 ? -1 : window.indexOf(')', label)
  if (length < 0) return null
  const close = at + label
  const end = at + length
  const url = line.slice(close + 2, end)
  if (!isLink(url)) return null
  return { html: `<a href="${escapeHtml(url)}">${escapeHtml(line.slice(at + 1, close))}</a>`, end: end + 1 }
}

function wrapped(
  line: string,
  at: number,
  mark: string,
  tag: string,
): { readonly html: string; readonly end: number } | null {
  // Bounded, so that a line of nothing but marks costs a pass and not a square.
  const window = line.slice(at + mark.length, at + 500)
  const length = window.indexOf(mark)
  if (length < 1 || /^\s|\s$/.test(window.slice(0, length))) return null
  return {
    html: `<${tag}>${escapeHtml(window.slice(0, length))}</${tag}>`,
    end: at + mark.length + length + mark.length,
  }
}

function linkify(text: string): string {
  let out = ''
  let from = 0
  for (const match of text.matchAll(/https?:\/\/[^\s<>"']{1,2000}/gi)) {
    const url = match[0].replace(/[.,;:!?)\]]{1,5}$/, '')
    out +=
      escapeHtml(text.slice(from, match.index)) +
      (isLink(url) ? `<a href="${escapeHtml(url)}">${escapeHtml(url)}</a>` : escapeHtml(url))
    from = match.index + url.length
  }
  return out + escapeHtml(text.slice(from))
}

function isLink(url: string): boolean {
  return /^https?:\/\/[^\s<>"'\\]{1,2000}$/i.test(url) && URL.canParse(url)
}
