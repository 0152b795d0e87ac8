import { hash32 } from '../hash.js'
import { MANY, operator, type FileData, type Operator } from './operator.js'

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** ISO 8601 with an offset, in milliseconds; anything else is null: a time without a zone means nothing. */
export function instant(value: unknown): number | null {
  if (typeof value !== 'string' || !INSTANT.test(value)) return null
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : at
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && !Number.isNaN(value)
}

function numbers(test: (a: number, b: number, c: number) => boolean): Operator['fn'] {
  return ([a, b, c = 0]) => isNumber(a) && isNumber(b) && isNumber(c) && test(a, b, c)
}

function instants(test: (a: number, b: number) => boolean): Operator['fn'] {
  return (args) => {
    const [a, b] = args.map(instant)
    return a != null && b != null && test(a, b)
  }
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

const missing = (value: unknown): boolean => value === null || value === undefined

function rank(file: FileData, tier: unknown): number {
  return typeof tier === 'string' ? file.tiers.indexOf(tier) : -1
}

/** 0…9999 for a rollout in hundredths of a percent. */
export function bucket(text: string): number {
  return hash32(text) % 10_000
}

/** Numbers, lists, times and business tables, all of them calm about null. */
export const businessOperators: Readonly<Record<string, Operator>> = Object.freeze({
  num_lt: operator(
    [2, 2],
    ['number'],
    'boolean',
    numbers((a, b) => a < b),
  ),
  num_lte: operator(
    [2, 2],
    ['number'],
    'boolean',
    numbers((a, b) => a <= b),
  ),
  num_gt: operator(
    [2, 2],
    ['number'],
    'boolean',
    numbers((a, b) => a > b),
  ),
  num_gte: operator(
    [2, 2],
    ['number'],
    'boolean',
    numbers((a, b) => a >= b),
  ),
  num_between: operator(
    [3, 3],
    ['number'],
    'boolean',
    numbers((a, b, c) => a >= b && a <= c),
  ),

  is_set: operator([1, 1], ['any'], 'boolean', ([value]) => !missing(value)),
  coalesce: operator([1, MANY], ['any'], 'any', (args) => args.find((value) => !missing(value)) ?? null),
  default: operator([2, 2], ['any'], 'any', ([value, other]) => (missing(value) ? other : value)),

  has_any: operator([2, 2], ['any'], 'boolean', ([a, b]) => list(b).some((item) => list(a).includes(item))),
  has_all: operator(
    [2, 2],
    ['any'],
    'boolean',
    ([a, b]) => Array.isArray(a) && list(b).every((item) => a.includes(item)),
  ),
  has_none: operator([2, 2], ['any'], 'boolean', ([a, b]) => !list(b).some((item) => list(a).includes(item))),

  before: operator(
    [2, 2],
    ['instant'],
    'boolean',
    instants((a, b) => a < b),
  ),
  after: operator(
    [2, 2],
    ['instant'],
    'boolean',
    instants((a, b) => a > b),
  ),
  minutes_since: operator([1, 1], ['instant'], 'number', ([value], run) => {
    const at = instant(value)
    return at === null || run.now === null ? null : (run.now - at) / 60_000
  }),
  seconds_until: operator([1, 1], ['instant'], 'number', ([value], run) => {
    const at = instant(value)
    return at === null || run.now === null ? null : (at - run.now) / 1_000
  }),

  lookup: operator([2, 3], ['string', 'any', 'any'], 'any', ([table, key, other = null], _run, _scope, file) => {
    const rows = typeof table === 'string' && Object.hasOwn(file.tables, table) ? file.tables[table] : undefined
    const name = typeof key === 'string' || typeof key === 'number' ? String(key) : null
    return rows !== undefined && name !== null && Object.hasOwn(rows, name) ? rows[name] : other
  }),
  tier_gte: operator([2, 2], ['string'], 'boolean', ([a, b], _run, _scope, file) => {
    const wanted = rank(file, b)
    return wanted >= 0 && rank(file, a) >= wanted
  }),
  pct_rollout: operator([2, 3], ['string', 'number', 'string'], 'boolean', ([key, percent, name = '']) => {
    if (typeof key !== 'string' || !isNumber(percent)) return false
    return bucket(`${String(name)}\n${key}`) < percent * 100
  }),
})
