import fc from 'fast-check'
import { test } from 'tap'

type Node = string | { tag: string; href?: string; children: Node[] }
const load = (name: string): Promise<any> => import(new URL(`../../public/widget/${name}.js`, import.meta.url).href)
const text = (nodes: Node[]): string =>
  nodes.map((node) => (typeof node === 'string' ? node : text(node.children))).join('')
const all = (nodes: Node[]): Exclude<Node, string>[] =>
  nodes.flatMap((node) => (typeof node === 'string' ? [] : [node, ...all(node.children)]))

test('bold, italics, code and links are understood, and nested', async (t) => {
  const { parseMarkdown } = await load('markdown')
  t.same(parseMarkdown('a **b *c* d** `e*f*` _g_'), [
    'a ',
    { tag: 'strong', children: ['b ', { tag: 'em', children: ['c'] }, ' d'] },
    ' ',
    { tag: 'code', children: ['e*f*'] },
    ' ',
    { tag: 'em', children: ['g'] },
  ])
  t.same(parseMarkdown('see [the guide](https://a.test/x).'), [
    'see ',
    { tag: 'a', href: 'https://a.test/x', children: ['the guide'] },
    '.',
  ])
  t.same(parseMarkdown('**2 * 3** and snake_case_name and 2*3*4'), [
    { tag: 'strong', children: ['2 * 3'] },
    ' and snake_case_name and 2*3*4',
  ])
  t.same(parseMarkdown('a\n```js\n**x**\n```\nb'), ['a', { tag: 'pre', children: ['**x**'] }, 'b'])
})

test('addresses become links without the full stop behind them', async (t) => {
  const { parseMarkdown, parseLinks } = await load('markdown')
  for (const parse of [parseMarkdown, parseLinks]) {
    t.same(parse('(see https://a.test/b?c=1).'), [
      '(see ',
      { tag: 'a', href: 'https://a.test/b?c=1', children: ['https://a.test/b?c=1'] },
      ').',
    ])
  }
  t.same(parseLinks('**typed** as it is'), ['**typed** as it is'])
})

test('whatever is written, links lead to http, https or mailto only, and plain text loses nothing', async () => {
  const { parseMarkdown, parseLinks } = await load('markdown')
  const pieces = fc.constantFrom(
    ...[
      '**',
      '*',
      '_',
      '`',
      '```\n',
      '[',
      ']',
      '(',
      ')',
      '[x](',
      'javascript:alert(1)',
      'JaVaScRiPt:',
      'data:text/html,x',
    ],
    ...['https://', 'http://a.test', 'mailto:a@b.c', 'vbscript:', '\n', ' ', '<script>', '"', '.', 'é', '👩‍🚀', 'word'],
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string())), (parts) => {
      const source = parts.join('')
      const trees: Node[][] = [parseMarkdown(source), parseLinks(source)]
      const links = trees.flatMap(all).filter((node) => node.tag === 'a')
      const safe = links.every((link) => /^(https?|mailto):/.test(link.href ?? ''))
      return safe && text(trees[1] ?? []) === source
    }),
    { numRuns: 1000 },
  )
})

test('hostile text is parsed in one go', async (t) => {
  const { parseMarkdown } = await load('markdown')
  for (const piece of ['*', '**', '_', '`', '[', '[a](', '*a', '**a', 'https://', '```\n', '(']) {
    const source = piece.repeat(10_000 / piece.length)
    t.ok(Array.isArray(parseMarkdown(source)), JSON.stringify(piece))
  }
})

test('events are read whole, however the bytes are cut', async (t) => {
  const { eventParser } = await load('event-stream')
  const wire =
    ': hello\n\nid: 1\nevent: message\ndata: {"a":\ndata: "é"}\n\nevent: typing\r\ndata:x\r\n\r\nid: 2\n\ndata: y\n\n'
  const read = (cuts: readonly number[]) => {
    const events: unknown[] = []
    const parse = eventParser((event: unknown) => events.push(event))
    const at = [0, ...[...cuts].sort((a, b) => a - b), wire.length]
    at.slice(1).forEach((end, index) => parse(wire.slice(at[index], end)))
    return events
  }
  t.same(read([]), [
    { event: 'message', id: '1', data: '{"a":\n"é"}' },
    { event: 'typing', id: '1', data: 'x' },
    { event: 'message', id: '2', data: 'y' },
  ])
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: wire.length })),
      (cuts) => JSON.stringify(read(cuts)) === JSON.stringify(read([])),
    ),
  )
})

test('waits grow to thirty seconds and are spread over the whole range', async (t) => {
  const { backoffMs } = await load('backoff')
  const highest = [0, 1, 2, 5, 6, 40].map((attempt) => backoffMs(attempt, () => 1))
  t.same(highest, [500, 1000, 2000, 16_000, 30_000, 30_000])
  t.equal(
    backoffMs(9, () => 0),
    0,
  )
})
