import { renderMarkdown } from '@throughline/plugin-sdk'

/** Markdown in WhatsApp's own signs: *bold* _italic_ ~strike~ `code` > quote. Links are written out. Never longer. */
export function toWhatsApp(markdown: string): string {
  return renderMarkdown(markdown, {
    text: (literal) => literal,
    bold: (inner) => `*${inner}*`,
    italic: (inner) => `_${inner}_`,
    strike: (inner) => `~${inner}~`,
    code: (literal) => `\`${literal}\``,
    block: (literal) => `\`\`\`${literal}\`\`\``,
    link: (label, url) => (label === url ? url : `${label} (${url})`),
    quote: (inner) =>
      inner
        .split('\n')
        .map((line) => `> ${line}`)
        .join('\n'),
  })
}
