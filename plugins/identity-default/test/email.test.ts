import fc from 'fast-check'
import { test } from 'tap'
import { normalEmail } from '../src/index.js'

test('one mailbox has one value however it is written', async (t) => {
  const forms = [
    'ada@example.test',
    ' Ada@Example.TEST ',
    'Ada Example <ADA@example.test>',
    '"Example, Ada" <ada@example.test>',
  ]
  for (const form of [...forms, '<ada@example.test>', 'mailto:ada@example.test?subject=Hi', 'ada@example.test.'])
    t.equal(normalEmail(form), 'ada@example.test', form)
})

test('international domains are stored in their ASCII form', async (t) => {
  t.equal(normalEmail('ada@BÜCHER.example'), 'ada@xn--bcher-kva.example')
  t.equal(normalEmail('ada@xn--bcher-kva.example'), 'ada@xn--bcher-kva.example')
})

test('composed and decomposed letters are one mailbox', async (t) => {
  t.equal(normalEmail('jose\u0301@example.test'), normalEmail('jos\u00e9@example.test'))
})

test('dots and tags stay, unless Gmail is folded by the setting', async (t) => {
  t.equal(normalEmail('a.da+shop@gmail.com'), 'a.da+shop@gmail.com')
  t.equal(normalEmail('a.da+shop@googlemail.com', { foldGmail: true }), 'ada@gmail.com')
  t.equal(normalEmail('a.da+shop@example.test', { foldGmail: true }), 'a.da+shop@example.test')
  t.equal(normalEmail('+shop@gmail.com', { foldGmail: true }), undefined)
})

test('what is no plain address is refused', async (t) => {
  const wrong = [
    '',
    '@',
    'a@',
    '@b.test',
    'a b@c.test',
    'a@b@c.test',
    '"a@b"@c.test',
    'a(comment)@b.test',
    'a@b..test',
    'a@-b.test',
  ]
  for (const text of [
    ...wrong,
    'a@[192.0.2.1]',
    'a\u0000@b.test',
    'a\u202e@b.test',
    `${'a'.repeat(65)}@b.test`,
    'a,b@c.test',
    'a@b.test>',
  ])
    t.equal(normalEmail(text), undefined, JSON.stringify(text).slice(0, 40))
})

test('a megabyte without spaces is refused at once', async (t) => {
  t.equal(normalEmail(`${'a'.repeat(1_000_000)}@b.test`), undefined)
  t.equal(normalEmail('<'.repeat(999)), undefined)
})

test('a normal form is its own normal form', async (t) => {
  const anything = fc.oneof(
    fc.emailAddress(),
    fc.tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), fc.domain()).map(([a, b]) => `${a}@${b}`),
    fc.tuple(fc.string(), fc.string({ unit: 'grapheme' })).map(([a, b]) => `${a}@${b}.test`),
  )
  fc.assert(
    fc.property(anything, fc.boolean(), (written, foldGmail) => {
      const once = normalEmail(written, { foldGmail })
      return once === undefined || normalEmail(once, { foldGmail }) === once
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 generated addresses')
})
