import { isDeepStrictEqual as same } from 'node:util'
import type { ConfigSchema, FactSubject, InferConfig, Kind, PluginDef, RuleType, RuleValue } from '../src/index.js'
import { createRunner, settles } from './checks.js'
import type { Check, ConformanceReport, TestApi } from './checks.js'
import { createTestContext } from './context.js'
import { settingsOf } from './settings.js'
import type { Settings } from './manifest-checks.js'

export type RulesConformanceOptions = {
  /** Settings as an operator writes them. */
  readonly config: Settings
  /** Subjects whose facts can be loaded in the test; the network they need is the test's to pretend. */
  readonly subjects?: readonly FactSubject[]
  /** Subjects for which loading fails, or who are unknown: null for these, and answers for the others. */
  readonly unknown?: FactSubject
  /** Check id → why it does not apply. */
  readonly skip?: Readonly<Record<string, string>>
}

const ODD: readonly RuleValue[] = [
  null, true, false, 0, -1, 1.5, 1e300, '', 'x', '2026-05-01T09:00:00+02:00', '__proto__', [], ['x'], [1, null], {},
  { a: { b: [1] } },
] // prettier-ignore
/** Prefixes rule files use for the engine's own facts. */
const ROOTS = [
  'now',
  'contact',
  'conversation',
  'message',
  'channel',
  'candidate',
  'agent',
  'history',
  'queues',
  'queue',
]

/** Checks the operators and facts a plugin publishes for rule files, whatever its kind. */
export async function rulesConformance<K extends Kind, const S extends ConfigSchema, I>(
  t: TestApi,
  plugin: PluginDef<K, S, I>,
  options: RulesConformanceOptions,
): Promise<ConformanceReport> {
  const runner = createRunner(t, options.skip ?? {})
  const operators = Object.entries(plugin.rules?.operators ?? {})
  const facts = Object.entries(plugin.rules?.facts ?? {})
  const cases = operators.flatMap(([name, { arity, fn, types }]) => {
    const [least, most] = typeof arity === 'number' ? [arity, arity] : arity
    return argumentLists(least, Math.min(most, least + 2)).map((args) => ({ name, fn, types, args }))
  })

  await runner.check(
    'X1',
    'operators are pure: twice the same, with clock, chance and network out of reach',
    (check) => {
      withoutTheWorld(() => {
        for (const { name, fn, args } of cases) {
          const before = structuredClone(args)
          check.ok(same(fn(...args), fn(...args)), `${name} answers alike`)
          check.ok(same(args, before), `${name} leaves its arguments as they are`)
        }
      })
    },
  )
  await runner.check('X2', 'operators are calm about null and about other types', (check) => {
    for (const { name, fn, args } of cases)
      check.ok(
        answers(() => fn(...args)),
        `${name}(${JSON.stringify(args)})`,
      )
  })
  await runner.check('X3', 'operators answer what they declare, or null', (check) => {
    for (const [name, { arity, types }] of operators) {
      const [least, most] = typeof arity === 'number' ? [arity, arity] : arity
      check.ok(least >= 0 && most >= least && most <= 100, `${name} has an arity`)
      check.ok(types.args.length <= Math.max(most, 1), `${name} has a type for each argument, at most`)
    }
    for (const { name, fn, types, args } of cases)
      check.ok(fits(fn(...args), types.result), `${name}(${JSON.stringify(args)}) is a ${types.result}`)
  })
  await runner.check('X4', 'names can be written in rules, and everything is described', (check) => {
    check.ok(operators.length + facts.length > 0, 'there is something')
    check.ok(!ROOTS.includes(plugin.name), `${plugin.name} is not a fact of the engine`)
    for (const [name] of [...operators, ...facts])
      check.ok(/^[a-z][A-Za-z0-9_]{0,59}$/.test(name), `${name} has no dot, colon or space`)
    for (const [name, { describe }] of operators) check.ok(describe.trim().length > 10, `${name} is described`)
    for (const [name, { schema }] of facts) check.ok(schema.description.trim().length > 10, `${name} is described`)
  })
  await factChecks(runner.check, plugin, facts, options)
  return runner.report({ bronze: 'X', silver: 'X', gold: 'X' })
}

async function factChecks<K extends Kind, const S extends ConfigSchema, I>(
  run: (id: string, sentence: string, act: (check: Check) => unknown, skipBecause?: string) => Promise<void>,
  plugin: PluginDef<K, S, I>,
  facts: readonly (readonly [string, NonNullable<NonNullable<PluginDef<K, S, I>['rules']>['facts']>[string]])[],
  options: RulesConformanceOptions,
): Promise<void> {
  const subjects = options.subjects ?? []
  const reason = facts.length === 0 ? 'the plugin publishes no facts' : undefined
  const context = (signal = new AbortController().signal) => {
    const made = createTestContext<K, InferConfig<S>>({
      kind: plugin.kind,
      config: settingsOf(plugin, options.config),
    }).context
    const { config, http, state, log, clock } = made
    return Object.freeze({ config, http, state, log, clock, signal })
  }
  await run(
    'X5',
    'facts: one answer for each subject, in their order, of the type that is published; abort is honoured',
    async (check) => {
      for (const [name, fact] of facts) {
        const load = (batch: readonly FactSubject[]) => settles(fact.load(batch, context()), `${name}.load`)
        check.ok(same(await load([]), []), `${name}: nobody asked for, no answer`)
        const values = await load(subjects)
        check.equal(values.length, subjects.length, `${name}: as many answers as subjects`)
        for (const value of values)
          check.ok(fitsSchema(value, fact.schema.type), `${name}: a ${fact.schema.type} or null`)
        const backwards = await load([...subjects].reverse())
        check.ok(same([...backwards].reverse(), values), `${name}: in the order of the subjects`)
        if (options.unknown !== undefined) {
          const mixed = await load([...subjects, options.unknown])
          check.equal(mixed.at(-1), null, `${name}: null for who is not known`)
          check.ok(same(mixed.slice(0, -1), values), `${name}: and the others all the same`)
        }
        const over = AbortSignal.abort(new Error('too late'))
        const late = fact.load(subjects, context(over)).then(
          () => true,
          () => true,
        )
        check.ok(await settles(late, `${name}.load after abort`, 2_000), `${name}: ends when it is aborted`)
      }
    },
    reason,
  )
}

/** All arguments alike, and every odd value at every place beside a plain one. */
function argumentLists(least: number, most: number): readonly (readonly RuleValue[])[] {
  const lists: RuleValue[][] = []
  for (let length = least; length <= most; length++) {
    if (length === 0) lists.push([])
    for (const value of ODD) {
      if (length > 0) lists.push(Array.from({ length }, () => value))
      for (let at = 0; at < length; at++)
        for (const other of [1, 'x', null]) lists.push(Array.from({ length }, (_, i) => (i === at ? value : other)))
    }
  }
  return lists.map((list) => Object.freeze(list.map(frozen)))
}

function frozen(value: RuleValue): RuleValue {
  if (typeof value === 'object' && value !== null)
    Object.values(value as object).forEach((item) => frozen(item as RuleValue))
  return Object.freeze(value)
}

function answers(act: () => unknown): boolean {
  try {
    return typeof (act() as { then?: unknown } | null | undefined)?.then !== 'function'
  } catch {
    return false
  }
}

function fits(value: unknown, type: RuleType): boolean {
  if (value === null || value === undefined || type === 'any') return true
  if (type === 'instant') return typeof value === 'string' && !Number.isNaN(Date.parse(value))
  if (type === 'string[]' || type === 'number[]')
    return Array.isArray(value) && value.every((item) => typeof item === type.slice(0, -2))
  return typeof value === type
}

function fitsSchema(value: unknown, type: string): boolean {
  if (value === null) return true
  if (type === 'array') return Array.isArray(value)
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}

/** Runs synchronous code with what a pure function has no use for replaced by an error. */
function withoutTheWorld(act: () => void): void {
  const refuse = (what: string) => () => {
    throw new Error(`a rule operator must not use ${what}`)
  }
  const kept = { now: Date.now, random: Math.random, fetch: globalThis.fetch }
  Date.now = refuse('the clock')
  Math.random = refuse('chance')
  globalThis.fetch = refuse('the network')
  try {
    act()
  } finally {
    Date.now = kept.now
    Math.random = kept.random
    globalThis.fetch = kept.fetch
  }
}
