import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import jsonLogic from 'json-logic-js'
import { test } from 'tap'
import { compile, FUEL } from '../../src/routing/rules/compile.js'
import { builtInOperators } from '../../src/routing/rules/operators.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..')
const shared = process.env['THROUGHLINE_SHARED'] ?? join(root, '../shared')
const context = { operators: builtInOperators, file: { tables: {}, tiers: [] } }

function evaluate(rule: unknown, data: unknown, fuel = FUEL): unknown {
  return compile(rule, context)(data, { facts: data, now: null, fuel })
}

/** Values as JSON has them, but telling apart what JSON merges: undefined, NaN, Infinity. */
function shown(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (item === undefined) return 'undefined'
    return typeof item === 'number' && !Number.isFinite(item) ? String(item) : item
  })
}

test('our own cases of JSON-logic, as json-logic-js decides them', (t) => {
  const cases: readonly [rule: unknown, data?: unknown][] = [
    [{ '<': [{ var: 'absent' }, 60] }, {}],
    [{ in: ['vip', 'nonvip'] }],
    [{ in: [1, ['1']] }],
    [{ in: ['', ''] }],
    [{ '==': [[1], 1] }],
    [{ '==': [[], false] }],
    [{ and: [] }],
    [{ all: [[], true] }],
    [{ none: [[], true] }],
    [{ none: ['text', true] }],
    [{ '+': [null, 1] }],
    [{ '+': ['3.5 kg', 1] }],
    [{ '*': [2] }],
    [{ '/': [1, 0] }],
    [{ '%': [1, 0] }],
    [{ '>': ['10', '9'] }],
    [{ '-': ['3'] }],
    [{ if: [] }],
    [{ if: [0, 1] }],
    [{ if: [0, 1, [], 2, 3] }],
    [{ '?:': [true, 'a', 'b'] }],
    [{ substr: ['jsonlogic', -5, -2] }],
    [{ substr: ['jsonlogic', 4] }],
    [{ merge: [1, [2, [3]], null] }],
    [{ missing: ['a', 'b'] }, { a: '' }],
    [{ missing_some: [1, ['a', 'b']] }, { a: 1 }],
    [{ missing_some: [2, ['a', 'b']] }, { a: 1 }],
    [{ map: [{ var: 'list' }, { '+': [{ var: '' }, 1] }] }, { list: [1, 2] }],
    [{ reduce: [{ var: 'list' }, { '+': [{ var: 'current' }, { var: 'accumulator' }] }, 10] }, { list: [1, 2] }],
    [{ reduce: [null, 1, 10] }],
    [{ filter: [{ var: 'absent' }, true] }, {}],
    [{ some: [[{ a: 1, b: 2 }], { '==': [{ var: 'a' }, 1] }] }],
    [{ var: 'a.b.c' }, { a: { b: null } }],
    [{ var: ['a.x', 'other'] }, { a: {} }],
    [{ var: ['a', 'other'] }, { a: null }],
    [{ var: '' }, 7],
    [{ var: 1 }, ['zero', 'one']],
    [{ var: { if: [true, 'a'] } }, { a: 5 }],
    [{ a: 1, b: 2 }],
    [{ '<': [1, 2, 3] }],
    [{ '<=': [1, 1, 0] }],
    [[{ '+': [1, 2] }, 'x', [{ var: 'a' }]], { a: 1 }],
    [{ cat: ['a', [1, null], 2] }],
    [{ '!!': [[]] }],
    [{ '!': ['0'] }],
  ]
  for (const [rule, data] of cases) {
    t.equal(shown(evaluate(rule, data)), shown(jsonLogic.apply(rule as never, data)), JSON.stringify(rule))
  }
  t.end()
})

test('the official JSON-logic suite', (t) => {
  const file = join(shared, 'vectors/jsonlogic/official.json')
  if (!existsSync(file)) {
    t.comment('skipped: the shared vectors are not beside the project')
    t.end()
    return
  }
  const cases = (JSON.parse(readFileSync(file, 'utf8')) as unknown[]).filter((one) => typeof one !== 'string')
  for (const { description, rule, data, result } of cases as Record<string, unknown>[]) {
    t.strictSame(evaluate(rule, data), result, String(description))
  }
  t.comment(`${cases.length} cases`)
  t.end()
})

const name = fc.constantFrom('a', 'b', 'c', 'a.b', 'a.c', 'list', 'list.0', 'absent', '')
const literal = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom('', 'a', 'vip', '10', '9', '1.5x'),
  fc.boolean(),
  fc.constant(null),
)
const EAGER = [
  '==',
  '===',
  '!=',
  '!==',
  '>',
  '>=',
  '!',
  '!!',
  '%',
  'in',
  'cat',
  'substr',
  '+',
  '*',
  '-',
  '/',
  'min',
  'max',
  'merge',
] as const
const LISTS = ['map', 'filter', 'all', 'some', 'none'] as const

const { rule: anyRule } = fc.letrec<{ rule: unknown }>((tie) => ({
  rule: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    literal,
    name.map((path) => ({ var: path })),
    fc.tuple(name, literal).map((args) => ({ var: args })),
    fc.array(tie('rule'), { maxLength: 3 }),
    fc
      .tuple(fc.constantFrom(...EAGER), fc.array(tie('rule'), { minLength: 1, maxLength: 3 }))
      .map(([op, args]) => ({ [op]: args })),
    fc
      .tuple(fc.constantFrom('<', '<='), fc.array(tie('rule'), { minLength: 2, maxLength: 3 }))
      .map(([op, args]) => ({ [op]: args })),
    fc
      .tuple(fc.constantFrom('and', 'or', 'if', '?:'), fc.array(tie('rule'), { maxLength: 5 }))
      .map(([op, args]) => ({ [op]: args })),
    fc.tuple(fc.constantFrom(...LISTS), tie('rule'), tie('rule')).map(([op, list, body]) => ({ [op]: [list, body] })),
    fc
      .tuple(
        tie('rule'),
        fc.constantFrom({ var: 'current' }, { '+': [{ var: 'current' }, { var: 'accumulator' }] }),
        literal,
      )
      .map((args) => ({ reduce: args })),
    fc.array(name, { maxLength: 3 }).map((keys) => ({ missing: keys })),
    fc.tuple(fc.nat(2), fc.array(name, { maxLength: 3 })).map((args) => ({ missing_some: args })),
    // Two keys: data, not logic.
    fc.tuple(tie('rule'), tie('rule')).map(([a, b]) => ({ a, b })),
  ),
}))
const facts = fc.record({
  a: fc.oneof(literal, fc.record({ b: literal, c: fc.array(literal, { maxLength: 3 }) })),
  b: literal,
  c: fc.array(literal, { maxLength: 3 }),
  list: fc.array(fc.oneof(literal, fc.record({ a: literal })), { maxLength: 4 }),
})

const attempt = (act: () => unknown): string => {
  try {
    return shown(act())
  } catch {
    return 'an error'
  }
}

test('random rules give what json-logic-js gives', (t) => {
  let errors = 0
  fc.assert(
    fc.property(anyRule, facts, (rule, data) => {
      const theirs = attempt(() => jsonLogic.apply(rule as never, data))
      const ours = attempt(() => evaluate(rule, data))
      if (theirs === 'an error') errors += 1
      if (ours !== theirs) throw new Error(`${JSON.stringify(rule)}: ${ours} instead of ${theirs}`)
    }),
    { numRuns: 5000 },
  )
  t.comment(`${errors} of 5000 rules fail in both`)
  t.ok(errors < 500, 'most random rules mean something')
  t.end()
})

test('no rule reads what a prototype has', (t) => {
  for (const path of [
    'constructor',
    'constructor.name',
    '__proto__',
    '__proto__.polluted',
    'toString',
    'a.constructor',
    'hasOwnProperty',
  ]) {
    t.equal(evaluate({ var: path }, { a: {} }), null, path)
    t.equal(evaluate({ '!!': { var: path } }, { a: {} }), false)
    t.strictSame(evaluate({ missing: [path] }, { a: {} }), [path])
    t.equal(evaluate({ val: path.split('.') }, { a: {} }), null)
  }
  t.end()
})

test('a rule that takes too many steps, or builds too much, fails instead of running on', (t) => {
  t.throws(
    () =>
      evaluate(
        { map: [{ var: '' }, { map: [[1, 2, 3, 4, 5, 6], { '+': [1, 1] }] }] },
        Array.from({ length: 2000 }, () => 1),
      ),
    /steps/,
  )
  const doubling = { reduce: [{ var: '' }, { cat: [{ var: 'accumulator' }, { var: 'accumulator' }] }, 'x'] }
  t.throws(
    () =>
      evaluate(
        doubling,
        Array.from({ length: 40 }, () => 1),
      ),
    RangeError,
  )
  const growing = { reduce: [{ var: '' }, { merge: [{ var: 'accumulator' }, { var: 'accumulator' }] }, [1]] }
  t.throws(
    () =>
      evaluate(
        growing,
        Array.from({ length: 40 }, () => 1),
      ),
    RangeError,
  )
  t.end()
})
