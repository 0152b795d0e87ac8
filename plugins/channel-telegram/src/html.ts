import { renderMarkdown } from '@throughline/plugin-sdk'

export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const tag = (name: string) => (inner: string) => `<${name}>${inner}</${name}>`

/** Markdown in the HTML subset Telegram reads. Only addresses that can be opened become links. */
export function toHtml(markdown: string): string {
  return renderMarkdown(markdown, {
    text: escapeHtml,
    bold: tag('b'),
    italic: tag('i'),
    strike: tag('s'),
    code: (literal) => tag('code')(escapeHtml(literal)),
    block: (literal, language) =>
      language === ''
        ? tag('pre')(escapeHtml(literal))
        : `<pre><code class="language-${language}">${escapeHtml(literal)}</code></pre>`,
    link: (label, url) =>
      /^(https?|tg):\/\//i.test(url)
        ? `<a href="${escapeHtml(url).replaceAll('"', '&quot;')}">${label}</a>`
        : `${label} (${escapeHtml(url)})`,
    quote: tag('blockquote'),
  })
}
