import type { PluginDef, RuleType, RuleValue } from '@throughline/plugin-sdk'
import { factSchemas, type FactField, type FactFields } from '../fact-schema.js'
import { agentOperators } from './agent-operators.js'
import { businessOperators } from './business-operators.js'
import { calendarOperators } from './calendar-operators.js'
import { operator, type Operator } from './operator.js'
import { senderOperators } from './sender-operators.js'
import { standardOperators } from './standard-operators.js'
import { statOperators } from './stat-operators.js'
import { textOperators } from './text-operators.js'

/** Everything a rule may use without a plugin. */
export const builtInOperators: ReadonlyMap<string, Operator> = new Map([
  ...Object.entries(standardOperators),
  ...Object.entries(businessOperators),
  ...Object.entries(textOperators),
  ...Object.entries(senderOperators),
  ...Object.entries(agentOperators),
  ...Object.entries(statOperators),
  ...Object.entries(calendarOperators),
])

/** Built-in operators and facts with those of the plugins, named under the plugin's own prefix. */
export function withPlugins(
  facts: FactFields,
  definitions: readonly PluginDef[],
): { readonly operators: ReadonlyMap<string, Operator>; readonly facts: FactFields } {
  const operators = new Map(builtInOperators)
  const extended: Record<string, FactField> = { ...facts }
  for (const { name: prefix, rules } of definitions) {
    if (prefixTaken(prefix)) continue
    for (const [name, found] of Object.entries(rules?.operators ?? {})) {
      const { arity, types, fn } = found
      const range = typeof arity === 'number' ? ([arity, arity] as const) : arity
      const call = guarded(`${prefix}:${name}`, fn)
      operators.set(
        `${prefix}:${name}`,
        operator(range, types.args.length > 0 ? types.args : ['any'], types.result, call),
      )
    }
    const own = Object.entries(rules?.facts ?? {}).map(([name, fact]): [string, FactField] => [
      name,
      { type: ruleType(fact.schema.type), nullable: true, description: fact.schema.description },
    ])
    if (own.length > 0 && !Object.hasOwn(facts, prefix)) {
      extended[prefix] = {
        type: 'object',
        nullable: true,
        fields: Object.fromEntries(own),
        description: `Facts of ${prefix}.`,
      }
    }
  }
  return { operators, facts: extended }
}

/** Thrown for whatever an operator of a plugin throws: its own words might be a customer's. */
export class PluginOperatorFailed extends Error {
  constructor(name: string) {
    super(`the operator ${name} failed`)
  }
}

/** Synchronous code cannot be interrupted; what takes longer is told, and counts as an error of the version. */
export const SLOW_MS = 50

/** The call of a plugin's operator: frozen arguments, plain data as the answer, failures and delays under its name. */
function guarded(name: string, fn: (...args: readonly RuleValue[]) => RuleValue): Operator['fn'] {
  return (args, run) => {
    const began = performance.now()
    try {
      return plain(fn(...(args.map((arg) => Object.freeze(arg)) as readonly RuleValue[])))
    } catch {
      throw new PluginOperatorFailed(name)
    } finally {
      if (performance.now() - began > SLOW_MS) run.slow = name
    }
  }
}

/** Names of the engine's own facts, in any rule file, are no names for a plugin's operators and facts. */
export function prefixTaken(prefix: string): boolean {
  return prefix === 'queue' || Object.values(factSchemas).some((fields) => Object.hasOwn(fields, prefix))
}

function ruleType(name: string): RuleType {
  return name === 'boolean' || name === 'number' || name === 'string' || name === 'instant'
    ? name
    : name === 'integer'
      ? 'number'
      : 'any'
}

/** A plugin's answer is taken only as plain JSON values; a promise or a function would be true in every condition. */
function plain(value: unknown): unknown {
  if (value === undefined) return null
  const kind = typeof value
  if (value === null || kind === 'boolean' || kind === 'number' || kind === 'string') return value
  const prototype: unknown = kind === 'object' ? Object.getPrototypeOf(value) : undefined
  if (Array.isArray(value) || prototype === null || prototype === Object.prototype) return value
  throw new TypeError('a rule operator of a plugin answered with something that is not plain data')
}
