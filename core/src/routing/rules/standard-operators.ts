import { readPath, truthy } from './json-logic.js'
import { MANY, operator, pairOperator, type Operator } from './operator.js'

/** Text that one evaluation may build. */
const MAX_TEXT = 65_536
const MAX_LIST = 10_000

function bounded(text: string): string {
  if (text.length > MAX_TEXT) throw new RangeError(`a rule built a text of more than ${MAX_TEXT} characters`)
  return text
}

function shortList(list: readonly unknown[]): readonly unknown[] {
  if (list.length > MAX_LIST) throw new RangeError(`a rule built a list of more than ${MAX_LIST} elements`)
  return list
}

function missing(keys: readonly unknown[], scope: unknown): unknown[] {
  return keys.filter((key) => {
    const value = Array.isArray(key) ? readPath(scope, key[0], key[1] ?? null) : readPath(scope, key, null)
    return value === null || value === ''
  })
}

/* eslint-disable eqeqeq -- JSON-logic's == and != convert their arguments, and rule files rely on it */
const looselyEqual = (a: unknown, b: unknown): boolean => a == b
/* eslint-enable eqeqeq */

type Comparable = number

/** The eager operators of JSON-logic, as json-logic-js 2 defines them. Special forms stand in compile.ts. */
export const standardOperators: Readonly<Record<string, Operator>> = Object.freeze({
  '==': pairOperator(['any'], 'boolean', (a, b) => looselyEqual(a, b)),
  '===': pairOperator(['any'], 'boolean', (a, b) => a === b),
  '!=': pairOperator(['any'], 'boolean', (a, b) => !looselyEqual(a, b)),
  '!==': pairOperator(['any'], 'boolean', (a, b) => a !== b),
  '>': pairOperator(['any'], 'boolean', (a, b) => (a as Comparable) > (b as Comparable), false),
  '>=': pairOperator(['any'], 'boolean', (a, b) => (a as Comparable) >= (b as Comparable), false),
  '<': operator(
    [2, 3],
    ['any'],
    'boolean',
    (args) => {
      const [a, b, c] = args as Comparable[]
      return c === undefined ? a! < b! : a! < b! && b! < c
    },
    false,
  ),
  '<=': operator(
    [2, 3],
    ['any'],
    'boolean',
    (args) => {
      const [a, b, c] = args as Comparable[]
      return c === undefined ? a! <= b! : a! <= b! && b! <= c
    },
    false,
  ),
  '!!': operator([1, 1], ['any'], 'boolean', ([a]) => truthy(a)),
  '!': operator([1, 1], ['any'], 'boolean', ([a]) => !truthy(a)),
  '%': operator([2, 2], ['number'], 'number', ([a, b]) => (a as number) % (b as number), false),
  in: pairOperator(['any'], 'boolean', (a, b) => {
    if (typeof b === 'string') return b !== '' && b.includes(String(a))
    return Array.isArray(b) && b.includes(a) && !Number.isNaN(a)
  }),
  cat: operator([0, MANY], ['any'], 'string', (args) => bounded(args.join(''))),
  substr: operator([2, 3], ['string', 'number'], 'string', ([text, start, end]) => {
    const from = String(text).substr(start as number, (end as number) < 0 ? undefined : (end as number | undefined))
    return (end as number) < 0 ? from.substr(0, from.length + (end as number)) : from
  }),
  '+': operator(
    [1, MANY],
    ['number'],
    'number',
    (args) => args.reduce<number>((a, b) => a + parseFloat(b as string), 0),
    false,
  ),
  '*': operator(
    [1, MANY],
    ['number'],
    'number',
    (args) => args.reduce((a, b) => parseFloat(a as string) * parseFloat(b as string)),
    false,
  ),
  '-': operator(
    [1, 2],
    ['number'],
    'number',
    ([a, b]) => (b === undefined ? -(a as number) : (a as number) - (b as number)),
    false,
  ),
  '/': operator([2, 2], ['number'], 'number', ([a, b]) => (a as number) / (b as number), false),
  min: operator([1, MANY], ['number'], 'number', (args) => Math.min(...(args as number[])), false),
  max: operator([1, MANY], ['number'], 'number', (args) => Math.max(...(args as number[])), false),
  merge: operator([0, MANY], ['any'], 'any', (args) => shortList(args.flat(1))),
  missing: operator([0, MANY], ['any'], 'any', (args, _run, scope) =>
    missing(Array.isArray(args[0]) ? args[0] : args, scope),
  ),
  missing_some: operator([2, 2], ['number', 'any'], 'any', ([need, keys], _run, scope) => {
    const wanted = Array.isArray(keys) ? keys : []
    const absent = missing(wanted, scope)
    return wanted.length - absent.length >= (need as number) ? [] : absent
  }),
})
