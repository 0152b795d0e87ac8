import fc from 'fast-check'
import { test } from 'tap'
import { arrayLiteral } from '../../src/store/array-literal.js'
import { withDatabase } from '../support/database.js'

const kinds: readonly (readonly [string, fc.Arbitrary<unknown>])[] = [
  ['text', fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '').toWellFormed())],
  ['text', fc.constantFrom('', 'NULL', 'null', '{}', 'a,b', '"', '\\', '\\"', ' x ', '\n', '\\\\x41')],
  ['int', fc.integer()],
  ['float8', fc.double({ noNaN: true })],
  ['boolean', fc.boolean()],
  ['bytea', fc.uint8Array().map((bytes) => Buffer.from(bytes))],
  ['timestamptz', fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })],
]

test('the database reads from an array literal exactly the values that went in', async (t) => {
  const store = await withDatabase(t)
  for (const [type, values] of kinds) {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(values), { maxLength: 20 }), async (list) => {
        const literal = arrayLiteral(list)
        const { rows } = await store.pool.query(
          `select v from unnest($1::text::${type}[]) with ordinality as x(v, n) order by n`,
          [literal],
        )
        t.same(
          rows.map((row: { v: unknown }) => row.v),
          list,
        )
      }),
      { numRuns: 20 },
    )
  }
})

test('what only the driver can encode is left to it', async (t) => {
  t.equal(arrayLiteral([{ a: 1 }]), null)
  t.equal(arrayLiteral([['a']]), null)
  t.equal(arrayLiteral([new Date(Number.NaN)]), null)
  t.equal(arrayLiteral([new Date('-000044-03-15T00:00:00Z')]), null)
})
