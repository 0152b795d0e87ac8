import fc from 'fast-check'
import { test } from 'tap'
import { normalPhone } from '../src/index.js'

const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`))

test('old and new forms of one line give one value', async (t) => {
  const lines: readonly (readonly string[])[] = [
    ['+54 9 11 2345 6789', '+54 11 2345 6789', '+54 11 15 2345 6789', '5491123456789'.replace(/^/, '+')],
    ['+54 9 351 234 5678', '+54 351 15 234 5678', '+54 351 234-5678'],
    ['+55 11 8765-4321', '+55 11 98765-4321', '+5511987654321'],
    ['+52 1 55 1234 5678', '+52 55 1234 5678', '+5215512345678', '0052 1 55 1234 5678'],
    ['+49 30 123456', '0049 30 123456', '+49 (0)30 123456', 'tel:+49-30-123456', '+49 30 12 34 56'],
  ]
  for (const forms of lines) {
    const values = forms.map((form) => normalPhone(form))
    t.equal(new Set(values).size, 1, `${forms.join(' = ')} → ${values[0]}`)
    t.match(values[0], /^\+\d+$/)
  }
})

test('the values are the ones documented', async (t) => {
  t.equal(normalPhone('+54 9 11 2345 6789'), '+541123456789')
  t.equal(normalPhone('+55 11 8765-4321'), '+5511987654321')
  t.equal(normalPhone('+52 1 55 1234 5678'), '+525512345678')
})

test('a Brazilian landline gets no ninth digit', async (t) => {
  t.equal(normalPhone('+55 11 3765-4321'), '+551137654321')
})

test('numbers without a country are read in the default country only', async (t) => {
  t.equal(normalPhone('030 123456', 'DE'), '+4930123456')
  t.equal(normalPhone('(11) 8765-4321', 'BR'), '+5511987654321')
  t.equal(normalPhone('011 15 2345-6789', 'AR'), '+541123456789')
  t.equal(normalPhone('044 55 1234 5678', 'MX'), '+525512345678')
  t.equal(normalPhone('030 123456'), undefined)
})

test('an extension keeps people behind one switchboard apart', async (t) => {
  const main = normalPhone('+1 212 555 0100')
  const five = normalPhone('+1 212 555 0100 ext. 5')
  t.equal(main, '+12125550100')
  t.not(five, main)
  t.equal(normalPhone(five ?? ''), five)
})

test('what cannot be a phone number is not one', async (t) => {
  for (const text of [
    '',
    ' ',
    '+',
    'ext',
    '+1 (555)…ext',
    '72975',
    'call me',
    '+'.repeat(200),
    '9'.repeat(90),
    '\u0000',
  ])
    t.equal(normalPhone(text), undefined, JSON.stringify(text.slice(0, 20)))
})

test('digits of other scripts are digits', async (t) => {
  t.equal(normalPhone('＋４９３０１２３４５６'), '+4930123456')
  t.equal(normalPhone('+٤٩٣٠١٢٣٤٥٦'), '+4930123456')
})

test('a normal form is its own normal form', async (t) => {
  const plans = fc.oneof(
    digits(10).map((n) => `+54${n}`),
    digits(10).map((n) => `+549${n}`),
    digits(10).map((n) => `+55${n}`),
    digits(11).map((n) => `+55${n}`),
    digits(10).map((n) => `+521${n}`),
    digits(13).map((n) => `+52${n}`),
    digits(9).map((n) => `+49${n}`),
    fc.string(),
    fc
      .tuple(fc.constantFrom('+1', '+44', '+52', '+54', '+55', '+972', ''), fc.stringMatching(/^[0-9 ()x;=-]{3,16}$/))
      .map(([a, b]) => a + b),
  )
  const countries = fc.constantFrom(undefined, 'DE', 'AR', 'BR', 'MX', 'US')
  fc.assert(
    fc.property(plans, countries, (written, country) => {
      const once = normalPhone(written, country)
      return once === undefined || normalPhone(once, country) === once
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 generated numbers')
})
