import fc from 'fast-check'
import { test } from 'tap'
import type { TextUnit } from '@throughline/plugin-sdk'
import { stripMarkdown } from '../../src/outbound/markdown.js'
import { isBlank, splitText } from '../../src/outbound/split-text.js'
import { graphemes, measure, truncate } from '../../src/outbound/units.js'

const units: readonly TextUnit[] = ['utf16', 'codepoint', 'byte', 'gsm7']
const unit = fc.constantFrom(...units)

/** Words of many scripts: joined emoji, flags, right to left, combining marks, no spaces, links, entities, white space. */
const piece = fc.constantFrom(
  ...[
    'hello',
    'world.',
    'Grüße',
    '👩‍👩‍👧‍👦',
    '🇩🇪',
    '👍🏽',
    'שלום',
    'مرحبا',
    'e\u0301\u0302',
    'நி',
    'กำลัง',
    '日本語の文章。',
    '한국어',
  ],
  ...['https://example.com/a?b=c&d=e', 'a@example.org', '&amp;', '2*3*4', '€', '[', '\u202eabc\u202c', 'x'.repeat(30)],
  ...[' ', ' ', ' ', '\n', '\n\n', '. ', '! ', '\t'],
)
const prose = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''))
const text = fc.oneof(
  { weight: 4, arbitrary: prose },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
)

/** Every piece stands in the text in order, and between two of them there is nothing but white space. */
function lostBetween(whole: string, pieces: readonly string[]): string {
  let rest = whole
  let lost = ''
  for (const each of pieces) {
    const at = rest.indexOf(each)
    if (at < 0) return `not in the text: ${JSON.stringify(each)}`
    lost += rest.slice(0, at)
    rest = rest.slice(at + each.length)
  }
  return (lost + rest).trim()
}

test('a split text loses nothing but white space, fits in every unit, and has no blank piece', (t) => {
  fc.assert(
    fc.property(text, unit, fc.integer({ min: 12, max: 200 }), (whole, in_, maxLength) => {
      const options = { maxLength, unit: in_, markdown: false }
      const pieces = splitText(whole, options)
      if (isBlank(whole)) return pieces.length === 0
      return (
        lostBetween(whole, pieces).replaceAll(/[\p{Cc}\p{Cf}\s]/gu, '') === '' &&
        pieces.every((each) => measure(each, in_) <= maxLength && !isBlank(each)) &&
        JSON.stringify(splitText(whole, options)) === JSON.stringify(pieces)
      )
    }),
    { numRuns: 800 },
  )
  t.end()
})

test('a cut never goes through a grapheme, an address or an entity that fits into a part', (t) => {
  fc.assert(
    fc.property(prose, fc.integer({ min: 40, max: 120 }), (whole, maxLength) => {
      const pieces = splitText(whole, { maxLength, unit: 'byte', markdown: false })
      const clusters = (from: string): string => graphemes(from.replaceAll(/\s+/gu, '')).join('|')
      const atoms = ['https://example.com/a?b=c&d=e', '&amp;', '👩‍👩‍👧‍👦', '🇩🇪', '👍🏽']
      for (const atom of atoms) {
        // Glued to a neighbour (a word running into a link) it is another atom; only free-standing ones are counted.
        const free = new RegExp(`(?<=^|\\s)${atom.replaceAll(/[.?]/g, '\\$&')}(?=\\s|$)`, 'gu')
        const before = [...whole.matchAll(free)].length
        const after = pieces.reduce((sum, each) => sum + [...each.matchAll(free)].length, 0)
        if (after < before) return false
      }
      return pieces.every((each) => clusters(each).length > 0)
    }),
    { numRuns: 500 },
  )
  t.end()
})

test('a text is cut at the paragraph, else the sentence, else the word', (t) => {
  const split = (whole: string, maxLength: number) => splitText(whole, { maxLength, unit: 'utf16', markdown: true })
  t.same(split('First one here.\n\nSecond paragraph.', 20), ['First one here.', 'Second paragraph.'])
  t.same(split('One sentence. Another one follows.', 25), ['One sentence.', 'Another one follows.'])
  t.same(split('alpha beta gamma delta', 12), ['alpha beta', 'gamma delta'])
  t.same(split('abcdefghij', 4), ['abcd', 'efgh', 'ij'])
  t.same(split('see https://example.com/path now', 28), ['see https://example.com/path', 'now'])
  t.same(split('go to https://example.com/path', 24), ['go to', 'https://example.com/path'])
  t.same(split('   \n ', 3), [])
  t.end()
})

test('markdown emphasis is kept whole, and closed and opened again where it is longer than a part', (t) => {
  const split = (whole: string, maxLength: number) => splitText(whole, { maxLength, unit: 'utf16', markdown: true })
  t.same(split('some words **very bold here** and on', 24), ['some words', '**very bold here** and', 'on'])
  t.same(split('**one two three four five**', 15), ['**one two**', '**three four**', '**five**'])
  t.same(split('```js\nlet a = 1\nlet b = 2\n```', 22), ['```js\nlet a = 1\n```', '```js\nlet b = 2\n```'])
  t.same(split('[label](https://example.com) tail', 30), ['[label](https://example.com)', 'tail'])
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom('', '**', '_', '~~', '`'),
          fc.array(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 8 }),
        ),
        { minLength: 1, maxLength: 8 },
      ),
      fc.integer({ min: 16, max: 80 }),
      (spans, maxLength) => {
        const whole = spans.map(([mark, words]) => `${mark}${words.join(' ')}${mark}`).join(' ')
        const pieces = split(whole, maxLength)
        const bare = spans.map(([, words]) => words.join('')).join('')
        const balanced = (each: string) => ['**', '~~', '`'].every((mark) => each.split(mark).length % 2 === 1)
        return (
          pieces.every((each) => each.length <= maxLength && balanced(each)) &&
          pieces
            .map((each) => stripMarkdown(each))
            .join('')
            .replaceAll(' ', '') === bare
        )
      },
    ),
    { numRuns: 500 },
  )
  t.end()
})

test('the units count what each network counts', (t) => {
  t.equal(measure('👍🏽', 'utf16'), 4)
  t.equal(measure('👍🏽', 'codepoint'), 2)
  t.equal(measure('é', 'byte'), 2)
  t.equal(measure('a€[', 'gsm7'), 5, 'the extension table takes two septets')
  t.equal(measure('я'.repeat(70), 'gsm7'), 160, 'seventy characters of UCS-2 fill one SMS')
  t.ok(measure('я'.repeat(71), 'gsm7') > 160)
  t.equal(splitText('я'.repeat(140), { maxLength: 160, unit: 'gsm7', markdown: false }).length, 2)
  t.equal(splitText('a'.repeat(320), { maxLength: 160, unit: 'gsm7', markdown: false }).length, 2)
  t.equal(truncate('naïve café', 6, 'utf16'), 'naïve…')
  t.equal(truncate('👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 12, 'utf16'), '👩‍👩‍👧‍👦…', 'between graphemes')
  t.end()
})

test('graphemes are the same whether a text is looked at whole or in windows', (t) => {
  const whole = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), fc.nat(260), (pieces, shift) => {
      const long = 'x'.repeat(shift) + pieces.join('')
      return JSON.stringify(graphemes(long)) === JSON.stringify(Array.from(whole.segment(long), (each) => each.segment))
    }),
  )
  t.same(graphemes(`x${'🇩🇪'.repeat(300)}`), ['x', ...Array.from({ length: 300 }, () => '🇩🇪')])
  t.end()
})

test('one grapheme larger than a part is the only one that is cut', (t) => {
  const zalgo = `a${'\u0301'.repeat(500)}`
  const pieces = splitText(zalgo, { maxLength: 100, unit: 'utf16', markdown: false })
  t.equal(pieces.join(''), zalgo)
  t.ok(pieces.every((each) => each.length <= 100))
  t.end()
})

test('stripping markdown keeps the words, the addresses and what only looks like a mark', (t) => {
  t.equal(stripMarkdown('**bold** _it_ *it* ~~no~~ `code`'), 'bold it it no code')
  t.equal(stripMarkdown('**_both_** and ***all***'), 'both and all')
  t.equal(stripMarkdown('[our page](https://example.com/a_b_c)'), 'our page (https://example.com/a_b_c)')
  t.equal(stripMarkdown('[https://example.com](https://example.com)'), 'https://example.com')
  t.equal(
    stripMarkdown('snake_case_name 2*3*4 a * b * c https://x.example/_a_'),
    'snake_case_name 2*3*4 a * b * c https://x.example/_a_',
  )
  t.equal(stripMarkdown('## Title\n* one\n* two'), 'Title\n- one\n- two')
  t.equal(stripMarkdown('```sh\nls *\n```'), 'ls *')
  t.equal(stripMarkdown('\\*not\\* &amp; &lt;b&gt; &#233; &#xD800;'), '*not* & <b> é &#xD800;')
  fc.assert(fc.property(text, (whole) => stripMarkdown(whole).length <= whole.length + 3 * whole.split('](').length))
  t.end()
})

test('a text made of unmatched marks takes linear time to look at', (t) => {
  for (const mark of ['*a ', '_a ', '**a ', '`a ', '[a](', '&a', '~~a ', '```\n', '\\', '![']) {
    const whole = mark.repeat(3_000)
    t.ok(stripMarkdown(whole).length <= whole.length, JSON.stringify(mark))
  }
  t.end()
})
