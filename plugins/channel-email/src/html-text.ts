import { convert, type FormatCallback, type HtmlToTextOptions } from 'html-to-text'
import { cleanText } from './clean-text.js'
import { QUOTE_MARK } from './reply-trim.js'

/** HTML beyond this is a newsletter; the stored raw mail has the rest. */
const MAX_HTML = 262_144
/** Real mails nest some dozens deep. The converter takes time by the square of the depth, so deeper ones lose their tags. */
const MAX_DEPTH = 400

const quoteStart: FormatCallback = (element, walk, builder) => {
  builder.openBlock({ leadingLineBreaks: 1 })
  builder.addInline(QUOTE_MARK, { noWordTransform: true })
  builder.closeBlock({ trailingLineBreaks: 1 })
  walk(element.children, builder)
}

/** Where mail programs say that history begins. Blockquotes need no mark: they come out with `> `. */
// prettier-ignore
const QUOTE_STARTS = [
  'div.gmail_quote', 'div.gmail_attr', '#appendonsend', '#divRplyFwdMsg', '#OLK_SRC_BODY_SECTION', 'div.yahoo_quoted',
  'div.moz-cite-prefix', 'div.protonmail_quote', '#isForwardContent', '#isReplyContent', 'hr#stopSpelling',
  'div.OutlookMessageHeader', '#mail-editor-reference-message-container', 'div.zmail_extra', 'div.tutanota_quote',
]

const OPTIONS: HtmlToTextOptions = {
  wordwrap: false,
  formatters: { quoteStart },
  limits: { maxDepth: 150, maxChildNodes: 20_000, ellipsis: '…' },
  selectors: [
    // Pictures are attachments or trackers; neither belongs into the text.
    { selector: 'img', format: 'skip' },
    { selector: 'style', format: 'skip' },
    { selector: 'script', format: 'skip' },
    { selector: 'title', format: 'skip' },
    {
      selector: 'a',
      options: {
        hideLinkHrefIfSameAsText: true,
        noAnchorUrl: true,
        pathRewrite: (path: string) => (/^https?:\/\//i.test(path.trim()) ? path.trim() : ''),
      },
    },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
    { selector: 'table', format: 'block' },
    ...QUOTE_STARTS.map((selector) => ({ selector, format: 'quoteStart' })),
  ],
}

/** Plain text of an HTML body, quotes marked for `trimReply`. Active content does not survive: only text comes out. */
export function htmlToText(html: string): string {
  const input = html.slice(0, MAX_HTML).replaceAll(QUOTE_MARK, '')
  return cleanText(convert(tooDeep(input) ? withoutTags(input) : input, OPTIONS))
    .replaceAll('\u00a0', ' ')
    .replace(/\n{3,}/g, '\n\n')
}

/** Elements that hold nothing, or that the next one of their kind closes. */
const NO_DEPTH = new Set(
  'area base br col embed hr img input link meta param source track wbr p li td th tr dd dt option'.split(' '),
)

/** One pass over the tags. */
function tooDeep(html: string): boolean {
  let depth = 0
  for (const match of html.matchAll(/<(\/?)([a-z][a-z0-9:]{0,20})/gi)) {
    if (NO_DEPTH.has((match[2] as string).toLowerCase())) continue
    depth = match[1] === '/' ? Math.max(0, depth - 1) : depth + 1
    if (depth > MAX_DEPTH) return true
  }
  return false
}

function withoutTags(html: string): string {
  let out = ''
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    if (open < 0) return out + html.slice(at)
    out += `${html.slice(at, open)} `
    const close = html.indexOf('>', open)
    if (close < 0) return out
    at = close + 1
  }
  return out
}
