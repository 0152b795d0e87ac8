import fc from 'fast-check'
import { test } from 'tap'
import { renderMarkdown } from '../src/index.js'
import type { MarkdownStyle } from '../src/index.js'
import { sharedSamples } from '../testing/index.js'

const style: MarkdownStyle = {
  text: (s) => s,
  bold: (s) => `<b>${s}</b>`,
  italic: (s) => `<i>${s}</i>`,
  strike: (s) => `<s>${s}</s>`,
  code: (s) => `<code>${s}</code>`,
  block: (s, language) => `<pre ${language}>${s}</pre>`,
  link: (label, url) => `<a ${url}>${label}</a>`,
  quote: (s) => `<q>${s}</q>`,
}
const plain: MarkdownStyle = {
  ...style,
  bold: (s) => s,
  italic: (s) => s,
  strike: (s) => s,
  code: (s) => s,
  block: (s) => s,
  link: (l, u) => l + u,
  quote: (s) => s,
}

test('the marks people use are written in the other way', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['**bold** and *italic* and _too_ and ~~gone~~', '<b>bold</b> and <i>italic</i> and <i>too</i> and <s>gone</s>'],
    ['*italic **bold** text*', '<i>italic <b>bold</b> text</i>'],
    ['**bold**_italic_`code`', '<b>bold</b><i>italic</i><code>code</code>'],
    ['`**not bold**`', '<code>**not bold**</code>'],
    ['[us](https://x.test/a_b_c "Title")', '<a https://x.test/a_b_c>us</a>'],
    ['<https://x.test>', '<a https://x.test>https://x.test</a>'],
    ['# Title', '<b>Title</b>'],
    ['> one\n> two\nthree', '<q>one\ntwo</q>\nthree'],
    ['* one\n+ two', '- one\n- two'],
    ['```js\nlet a = **b**\n```\nafter', '<pre js>let a = **b**</pre>\nafter'],
    ['\\*literal\\*', '*literal*'],
  ]
  for (const [source, expected] of cases) t.equal(renderMarkdown(source, style), expected, source)
})

test('what is no mark stays as it was written', async (t) => {
  for (const text of [
    '2*3*4',
    'snake_case_name',
    '** alone',
    'a * b * c',
    '[no link]',
    '```\nnever closed',
    '5 > 3',
    '#hashtag',
    '',
    '*',
    '**',
    '_ _',
  ])
    t.equal(renderMarkdown(text, style), text, JSON.stringify(text))
})

test('text without marks is never changed, and letters are never lost', async (t) => {
  fc.assert(fc.property(fc.stringMatching(/^[\p{L}\p{N} .,\n]*$/u), (text) => renderMarkdown(text, style) === text))
  const letters = (text: string) => text.replace(/[^\p{L}\p{N}]/gu, '')
  const markup = fc
    .array(fc.constantFrom('*', '**', '_', '~~', '`', '[', '](', ')', '> ', '# ', '- ', '\n', 'a', 'b c', '\\', '<'))
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(markup, (text) => letters(renderMarkdown(text, plain)) === letters(text)),
    { numRuns: 3000 },
  )
  t.pass('3000 generated texts')
})

test('a hundred thousand signs are read to the end', async (t) => {
  for (const sign of ['*', '_', '**', '[', '`', '~~', '[a](', '*a ', 'a*', '> ', '<', '\\'])
    t.type(renderMarkdown(sign.repeat(100_000 / sign.length), style), 'string', sign)
  t.equal(renderMarkdown('**x**'.repeat(30_000), style), '**x**'.repeat(30_000), 'beyond that it is literal')
})

test('published samples agree where the same was chosen', async (t) => {
  const { files, missing } = sharedSamples('vectors', 'markdown', 'whatsapp.json')
  if (missing !== undefined) return void t.pass(`skipped: ${missing}`)
  const vectors = JSON.parse(Buffer.from(files[0]?.bytes ?? []).toString()) as { input: string; expected: string }[]
  const whatsapp: MarkdownStyle = {
    ...style,
    bold: (s) => `*${s}*`,
    italic: (s) => `_${s}_`,
    strike: (s) => `~${s}~`,
    code: (s) => `\`${s}\``,
    block: (s) => `\`\`\`${s}\`\`\``,
    link: (label, url) => (label === url ? url : `${label} (${url})`),
    quote: (s) =>
      s
        .split('\n')
        .map((line) => `> ${line}`)
        .join('\n'),
  }
  const agreed = vectors.filter(({ input, expected }) => renderMarkdown(input, whatsapp) === expected).length
  // The others are HTML, reference links, task lists, rules, renumbering and underlined headings: left literal here.
  t.ok(agreed >= vectors.length - 8, `${agreed} of ${vectors.length}`)
})
