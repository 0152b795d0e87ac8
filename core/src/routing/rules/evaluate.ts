import type { RuleFileKind, RuleResult } from '../contract.js'
import { instant } from './business-operators.js'
import { compile, type Compiled } from './compile.js'
import { FUEL, OutOfFuel } from './fuel.js'
import { truthy } from './json-logic.js'
import type { FileShape } from './lint-file.js'
import type { Operator, Run } from './operator.js'
import { PluginOperatorFailed, SLOW_MS } from './operators.js'
import type { RuleFileContext } from './rule-file.js'

/** What a rule must say to have decided. */
const DECISIVE: Readonly<Record<RuleFileKind, string>> = Object.freeze({
  routing: 'queue',
  continuity: 'action',
  sla: 'targets',
  escalation: 'actions',
})

/**
 * Runs the rules in order. `routing`: every matching rule adds what earlier ones left open, until one says stop; the rule
 * that names the queue decided. `escalation`: the same, and all actions count. `continuity`, `sla`: the first matching rule
 * decides.
 */
export function createEvaluator(input: {
  readonly shape: FileShape
  readonly kind: RuleFileKind
  readonly operators: ReadonlyMap<string, Operator>
  readonly onFailure: RuleFileContext['onFailure']
}): (facts: Readonly<Record<string, unknown>>) => RuleResult | null {
  const { shape, kind, operators, onFailure } = input
  const context = { operators, file: shape.file }
  const rules = shape.rules.map((rule) => ({ ...rule, test: compile(rule.when, context), parts: partsOf(rule.then) }))
  const decisive = DECISIVE[kind]
  const firstOnly = kind === 'continuity' || kind === 'sla'
  return (facts) => {
    const matched: string[] = []
    const failed: string[] = []
    const taken: (typeof rules)[number][] = []
    const run: Run = { facts, now: instant(facts['now']), fuel: FUEL }
    for (const rule of rules) {
      if (!holds(rule, rule.test)) continue
      matched.push(rule.id)
      taken.push(rule)
      if (rule.stop || firstOnly) break
    }
    const decided = taken.find((rule) => Object.hasOwn(rule.then, decisive))
    if (decided === undefined) return null
    const then = taken.length === 1 ? decided.then : merge(taken)
    return Object.freeze({ rule: decided.id, version: shape.version, then, trace: { matched, failed } })

    function holds(rule: { readonly id: string }, test: Compiled): boolean {
      try {
        run.fuel = FUEL
        const held = truthy(test(facts, run))
        if (run.slow !== undefined) tellSlow(rule.id, run)
        return held
      } catch (error) {
        run.slow = undefined
        failed.push(rule.id)
        onFailure?.({ file: kind, rule: rule.id, version: shape.version, message: failureText(error) })
        return false
      }
    }
  }

  /** What it answered stands, so that the same facts decide alike; it counts as an error of the version. */
  function tellSlow(rule: string, run: Run): void {
    const message = `the operator ${run.slow ?? ''} took more than ${SLOW_MS} ms`
    run.slow = undefined
    onFailure?.({ file: kind, rule, version: shape.version, message })
  }
}

/** Messages of our own errors are fixed texts; what a plugin's operator throws might repeat a customer's words. */
function failureText(error: unknown): string {
  if (error instanceof PluginOperatorFailed || error instanceof OutOfFuel) return error.message
  if (error instanceof RangeError || error instanceof TypeError) return error.name
  return 'the condition failed'
}

/** What a rule says, taken apart once when the file is loaded: a message may match dozens of rules. */
interface Parts {
  readonly headStart: number
  readonly tags: readonly unknown[]
  readonly actions: readonly unknown[]
  readonly rest: readonly (readonly [key: string, value: unknown])[]
}

function partsOf(then: Readonly<Record<string, unknown>>): Parts {
  return {
    headStart: (then['head_start_s'] as number | undefined) ?? 0,
    tags: (then['tags'] as readonly unknown[] | undefined) ?? [],
    actions: (then['actions'] as readonly unknown[] | undefined) ?? [],
    rest: Object.entries(then).filter(([key]) => !['head_start_s', 'tags', 'actions'].includes(key)),
  }
}

/** The first rule to say something wins; head starts add up and tags are collected. */
function merge(rules: readonly { readonly parts: Parts }[]): Readonly<Record<string, unknown>> {
  const result = Object.create(null) as Record<string, unknown>
  let headStart = 0
  const tags = new Set<unknown>()
  const actions: unknown[] = []
  for (const { parts } of rules) {
    headStart += parts.headStart
    for (const tag of parts.tags) tags.add(tag)
    actions.push(...parts.actions)
    for (const [key, value] of parts.rest) if (!(key in result)) result[key] = value
  }
  if (headStart !== 0) result['head_start_s'] = Math.max(-86_400, Math.min(86_400, headStart))
  if (tags.size > 0) result['tags'] = Object.freeze([...tags])
  if (actions.length > 0) result['actions'] = Object.freeze(actions)
  return Object.freeze(result)
}
