import fc from 'fast-check'
import { test } from 'tap'
import type { Capabilities, Choice, Part, TextUnit } from '@throughline/plugin-sdk'
import { choicesOf, matchChoice } from '../../src/outbound/choices.js'
import { plan, withoutContent } from '../../src/outbound/plan.js'
import { measure } from '../../src/outbound/units.js'

const fileUrl = (key: string): string => `https://files.example/${key}`
const sms: Capabilities = { text: { maxLength: 160, unit: 'gsm7', format: 'plain' }, receipts: 'delivered' }
const rich: Capabilities = {
  text: { maxLength: 4096, format: 'markdown' },
  media: {
    image: { mime: ['image/jpeg', 'image/png'], maxBytes: 5_000_000, caption: 20, by: 'url' },
    audio: { mime: ['audio/ogg; codecs=opus'], maxBytes: 1_000_000, by: 'url' },
    file: { mime: ['*/*'], maxBytes: 10_000_000, caption: 100, by: 'url' },
  },
  choices: { max: 3, maxLabel: 20, maxText: 60 },
  location: 'full',
  card: 'full',
  carousel: { maxCards: 2 },
  template: 'full',
  contact: 'full',
  receipts: 'read',
}
const fit = (parts: readonly Part[], capabilities: Capabilities) => plan(parts, capabilities, { fileUrl })
const texts = (parts: readonly Part[], capabilities: Capabilities) =>
  fit(parts, capabilities).parts.map((part) => part.text)
const labels = (...names: string[]): Choice[] => names.map((label) => ({ label }))

test('choices are buttons where there are enough, else a numbered list', (t) => {
  const few = fit([{ type: 'choices', text: 'Which?', choices: labels('Red', 'Blue') }], rich)
  t.same(few.losses, [])
  t.same(few.parts[0]?.content, {
    type: 'choices',
    text: 'Which?',
    choices: [
      { label: 'Red', value: 'Red' },
      { label: 'Blue', value: 'Blue' },
    ],
  })
  t.equal(few.parts[0]?.text, 'Which?\n\n1. Red\n2. Blue', 'and a plain rendering beside them')
  const many = fit([{ type: 'choices', text: 'Which?', choices: labels('A', 'B', 'C', 'D') }], rich)
  t.equal(many.parts[0]?.text, 'Which?\n\n1. A\n2. B\n3. C\n4. D')
  t.match(many.losses[0], /numbered list/)
  t.same(texts([{ type: 'choices', text: 'Which?', choices: labels('A', 'B') }], sms), ['Which?\n\n1. A\n2. B'])
  t.end()
})

test('long labels are shortened with the whole label in the text, unless that would make two of them alike', (t) => {
  const one = fit([{ type: 'choices', text: 'Which?', choices: labels('The very long blue one', 'Red') }], rich)
  t.match(one.parts[0]?.content, {
    text: 'Which?\n\n- The very long blue one',
    choices: [{ label: 'The very long blue…', value: 'The very long blue one' }, {}],
  })
  const alike = fit(
    [{ type: 'choices', text: 'Which?', choices: labels('A very long label, red', 'A very long label, blue') }],
    rich,
  )
  t.equal(alike.parts[0]?.content.type, 'text')
  t.match(alike.losses, [/too long/])
  t.end()
})

test('the buttons stay below the last piece of a long text', (t) => {
  const text = 'One sentence that is long enough. And another sentence of that sort. And the end.'
  const { parts } = fit([{ type: 'choices', text, choices: labels('Yes', 'No') }], rich)
  t.same(
    parts.map((part) => part.content.type),
    ['text', 'choices'],
  )
  t.ok(parts.every((part) => ('text' in part.content ? part.content.text.length <= 60 : true)))
  t.end()
})

test('links among the choices are text where the channel has no link buttons', (t) => {
  const part: Part = {
    type: 'choices',
    text: 'More?',
    choices: [{ label: 'Yes' }, { label: 'Shop', url: 'https://shop.example' }],
  }
  const { parts, losses } = fit([part], rich)
  t.match(parts[0]?.content, {
    type: 'choices',
    text: 'More?\n\nShop: https://shop.example',
    choices: [{ label: 'Yes' }],
  })
  t.match(losses, [/link buttons/])
  t.match(fit([part], { ...rich, choices: { max: 3, maxLabel: 20, url: true } }).losses, [])
  t.end()
})

test('a carousel goes down to smaller ones, cards, text with image, and numbers that run through', (t) => {
  const cards = ['Lamp', 'Table', 'Chair'].map((title) => ({
    title,
    text: 'Nice.',
    image: { file: title },
    choices: labels(`Buy ${title}`),
  }))
  const part: Part = { type: 'carousel', text: 'Our offers', cards }
  const native = fit([part], rich)
  t.same(
    native.parts.map((each) => each.content.type),
    ['text', 'carousel', 'carousel'],
  )
  const asCards = fit([part], { ...rich, carousel: 'fallback' })
  t.same(
    asCards.parts.map((each) => each.content.type),
    ['text', 'card', 'card', 'card'],
  )
  const { carousel: _, card: __, ...simple } = rich
  t.same(
    fit([part], simple).parts.map((each) => each.content.type),
    ['text', 'image', 'choices', 'image', 'choices', 'image', 'choices'],
  )
  const plainest = texts([part], sms)
  t.same(plainest, [
    'Our offers',
    'https://files.example/Lamp',
    'Lamp\nNice.\n\n1. Buy Lamp',
    'https://files.example/Table',
    'Table\nNice.\n\n2. Buy Table',
    'https://files.example/Chair',
    'Chair\nNice.\n\n3. Buy Chair',
  ])
  t.equal(matchChoice('2', choicesOf([part]))?.label, 'Buy Table')
  t.end()
})

test('media of a kind, type or size the channel refuses goes as another kind or as a link', (t) => {
  const image = (media: object): Part => ({ type: 'image', media: { file: 'k', ...media } })
  t.equal(fit([image({ mime: 'image/png', size: 10 })], rich).parts[0]?.content.type, 'image')
  const asFile = fit([image({ mime: 'image/tiff', size: 10 })], rich)
  t.equal(asFile.parts[0]?.content.type, 'file')
  t.same(asFile.losses, ['an image is sent as a file'])
  const link = fit([image({ mime: 'image/png', size: 50_000_000, name: 'plan.png' })], rich)
  t.equal(link.parts[0]?.text, 'plan.png: https://files.example/k')
  t.match(link.losses, [/takes 4.8 MB at most, this has 47.7 MB/])
  t.equal(
    fit([{ type: 'voice', media: { url: 'https://x.example/v', mime: 'audio/ogg' } }], rich).parts[0]?.content.type,
    'audio',
  )
  t.throws(() => fit([{ type: 'image', media: { id: 'network-id' } }], sms), { code: 'TL_CHANNEL_UNSUPPORTED' })
  t.end()
})

test('a caption that is too long follows the media as text', (t) => {
  const media = { file: 'k', mime: 'image/png' }
  const short = fit([{ type: 'image', media, caption: 'Your lamp' }], rich)
  t.same(short.parts, [{ text: 'Your lamp', content: { type: 'image', media, caption: 'Your lamp' } }])
  const long = fit([{ type: 'image', media, caption: 'This caption is longer than twenty' }], rich)
  t.same(
    long.parts.map((part) => part.content.type),
    ['image', 'text'],
  )
  t.equal(long.parts[1]?.text, 'This caption is longer than twenty')
  t.end()
})

test('location, contact and template are native, or the text that says the same', (t) => {
  const location: Part = { type: 'location', lat: 52.5, lon: 13.4, name: 'Shop', address: 'Main St 1' }
  const contact: Part = { type: 'contact', name: 'Ada', identifiers: [{ kind: 'phone', value: '+15550100' }] }
  const template: Part = { type: 'template', name: 'hello', language: 'en', parameters: ['Ada'], text: 'Hello Ada' }
  t.same(
    fit([location, contact, template], rich).parts.map((part) => part.content.type),
    ['location', 'contact', 'template'],
  )
  t.same(texts([location, contact, template], sms), [
    'Shop, Main St 1\nhttps://maps.google.com/?q=52.5,13.4',
    'Ada\nphone: +15550100',
    'Hello Ada',
  ])
  t.throws(() => fit([location], { ...sms, location: 'reject' }), { code: 'TL_CHANNEL_UNSUPPORTED' })
  t.end()
})

test('markdown goes through where the channel has a markup, and is taken away where it has none', (t) => {
  const part: Part = { type: 'text', text: '**Hello** [you](https://x.example)' }
  t.match(fit([part], rich).parts[0], { text: part.text, content: { format: 'markdown' } })
  t.match(fit([part], { ...rich, text: { maxLength: 100, format: { custom: 'whatsapp' } } }).parts[0], {
    text: part.text,
  })
  const plain = fit([part], sms)
  t.match(plain.parts[0], { text: 'Hello you (https://x.example)', content: { format: 'plain' } })
  t.match(plain.losses, [/formatting/])
  t.equal(texts([{ ...part, format: 'plain' }], sms)[0], part.text, 'what was meant as plain text is left alone')
  t.end()
})

test('letters outside the SMS alphabet are told with what they cost', (t) => {
  const { losses } = fit([{ type: 'text', text: `${'a'.repeat(150)} ы` }], {
    ...sms,
    text: { maxLength: 1530, unit: 'gsm7', format: 'plain' },
  })
  t.match(losses, [/3 SMS instead of 1/])
  t.end()
})

test('after a refusal the same content has a simpler form, until there is none', (t) => {
  const choices: Part = { type: 'choices', text: 'Which?', choices: labels('A', 'B') }
  const simpler = withoutContent(rich, choices)
  t.ok(simpler)
  if (simpler) t.equal(fit([choices], simpler).parts[0]?.content.type, 'text')
  t.equal(withoutContent(sms, { type: 'text', text: 'x', format: 'plain' }), null)
  t.match(withoutContent(rich, { type: 'text', text: '*x*', format: 'markdown' }), { text: { format: 'plain' } })
  t.match(withoutContent(rich, { type: 'card', title: 'x' }), { card: 'fallback' })
  const image: Part = { type: 'image', media: { file: 'k' } }
  const noImage = withoutContent(rich, image)
  if (noImage) t.equal(fit([image], noImage).parts[0]?.content.type, 'file')
  t.end()
})

const word = fc.constantFrom(
  'yes',
  'no',
  '👩‍👩‍👧‍👦',
  'שלום',
  '**bold**',
  'e\u0301',
  '\n\n',
  ' ',
  '日本',
  'https://x.example/a',
  '',
)
const words = fc.array(word, { maxLength: 40 }).map((each) => each.join(' '))
const choice = fc.record({ label: words, url: fc.constant('https://x.example/b') }, { requiredKeys: ['label'] })
const media = fc.record(
  { file: fc.constant('k'), mime: fc.constantFrom('image/png', 'a/b'), size: fc.nat(20_000_000) },
  { requiredKeys: ['file'] },
)
const card = fc.record(
  { title: words, text: words, image: media, choices: fc.array(choice, { maxLength: 5 }) },
  { requiredKeys: ['title'] },
)
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text: words }),
  fc.record({ type: fc.constantFrom('image' as const, 'voice' as const, 'sticker' as const), media, caption: words }),
  fc.record({ type: fc.constant('choices' as const), text: words, choices: fc.array(choice, { maxLength: 12 }) }),
  card.map((each) => ({ type: 'card' as const, ...each })),
  fc.record({ type: fc.constant('carousel' as const), text: words, cards: fc.array(card, { maxLength: 4 }) }),
  fc.record({
    type: fc.constant('location' as const),
    lat: fc.double({ noNaN: true, min: -90, max: 90 }),
    lon: fc.double({ noNaN: true, min: -180, max: 180 }),
    name: words,
  }),
  fc.record({ type: fc.constant('contact' as const), name: words, identifiers: fc.constant([]) }),
)
const capabilities: fc.Arbitrary<Capabilities> = fc
  .record({
    unit: fc.constantFrom<TextUnit>('utf16', 'codepoint', 'byte', 'gsm7'),
    maxLength: fc.integer({ min: 60, max: 400 }),
    format: fc.constantFrom('plain' as const, 'markdown' as const, 'html' as const),
    keep: fc.array(fc.constantFrom('media', 'choices', 'location', 'card', 'carousel', 'contact'), { maxLength: 6 }),
  })
  .map(({ unit, maxLength, format, keep }) => ({
    text: { maxLength, unit, format },
    receipts: 'none',
    ...Object.fromEntries(Object.entries(rich).filter(([key]) => (keep as string[]).includes(key))),
  }))

test('whatever is said to whatever channel: every part fits, none is blank, and the plan is always the same', (t) => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), capabilities, (parts, able) => {
      const once = fit(parts, able)
      return (
        once.parts.every(
          (each) => each.text.trim() !== '' && measure(each.text, able.text.unit ?? 'utf16') <= able.text.maxLength,
        ) &&
        once.parts.every((each) => each.content.type !== 'choices' || able.choices !== undefined) &&
        JSON.stringify(fit(parts, able)) === JSON.stringify(once)
      )
    }),
    { numRuns: 500 },
  )
  t.end()
})

test('a typed answer finds its choice by label, number, word, letter, and in other digits', (t) => {
  const choices = labels('Order status', 'Talk to a person', '3 rooms')
  const found = (text: string) => matchChoice(text, choices)?.label ?? null
  for (const text of [
    '1',
    '1.',
    '#1',
    '(1)',
    ' one ',
    'ONE!',
    'eins',
    'uno',
    'a',
    'B)'.replace('B', 'A'),
    '１',
    '١',
    '1️⃣',
    'order STATUS',
  ]) {
    t.equal(found(text), 'Order status', text)
  }
  t.equal(found('3 rooms'), '3 rooms')
  t.equal(found('2️⃣'), 'Talk to a person')
  for (const text of ['', '4', '0', 'z', 'I have one question', '12', 'no', '1 2']) t.equal(found(text), null, text)
  t.equal(matchChoice('pay_now', [{ label: 'Pay', value: 'pay_now' }])?.label, 'Pay')
  t.equal(matchChoice('2', labels('5', '2', '7'))?.label, '2', 'a label that is a number wins over the place')
  t.end()
})
