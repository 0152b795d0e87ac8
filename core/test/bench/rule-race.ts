import { deepStrictEqual } from 'node:assert/strict'
import jsonLogic from 'json-logic-js'
import { builtInOperators } from '../../src/routing/rules/operators.js'
import { readRuleFile } from '../../src/routing/rules/rule-file.js'
import { draw, factsOf, ruleFile, type Rule } from './rule-set.js'

const RULES = 100
const FACTS = 500
const names = { queues: new Map([['support', null]]), skills: [], teams: [], definitions: [] }

/** Rules a second of both sides, round by round. */
export interface RuleRace {
  readonly ours: readonly number[]
  readonly theirs: readonly number[]
}

/**
 * A file of 100 rules, all of them asked for each message: compiled, against json-logic-js applied to each rule in turn.
 * Every result is compared before the clock starts. Operators that JSON-logic lacks (`own`) are one and the same function
 * on both sides, so that evaluators are compared.
 */
export function raceRules(rounds: number, own: boolean): RuleRace {
  const facts = Array.from({ length: FACTS }, (_, i) => factsOf(draw(7 + i)))
  const file = ruleFile(RULES, own)
  const loaded = readRuleFile(JSON.stringify(file), 'bench.json', 'routing', names)
  if (!loaded.ok) throw new Error(`the bench's rules are refused: ${JSON.stringify(loaded.problems.slice(0, 3))}`)
  lendOperators()
  for (const one of facts) {
    deepStrictEqual(loaded.evaluate(one)?.trace, { matched: inTurn(file.rules, one), failed: [] })
  }
  const ours = () => facts.reduce((seen, one) => seen + (loaded.evaluate(one)?.trace.matched.length ?? 0), 0)
  const theirs = () => facts.reduce((seen, one) => seen + inTurn(file.rules, one).length, 0)
  const rates: { readonly ours: number[]; readonly theirs: number[] } = { ours: [], theirs: [] }
  for (let round = -2; round < rounds; round++) {
    const [mine, other] = [rate(ours, RULES * FACTS), rate(theirs, RULES * FACTS)]
    if (round < 0) continue
    rates.ours.push(mine)
    rates.theirs.push(other)
  }
  return rates
}

/** Ids of the rules that match, in order, as json-logic-js sees them. */
function inTurn(rules: readonly Rule[], facts: Readonly<Record<string, unknown>>): readonly string[] {
  const matched: string[] = []
  for (const rule of rules) if (jsonLogic.truthy(jsonLogic.apply(rule.when as never, facts))) matched.push(rule.id)
  return matched
}

/** Operations a second over whole runs of at least 100 ms. */
function rate(run: () => number, evaluations: number): number {
  const from = performance.now()
  let runs = 0
  do {
    if (run() === 0) throw new Error('no rule of the bench matches')
    runs += 1
  } while (performance.now() - from < 100)
  return (runs * evaluations * 1000) / (performance.now() - from)
}

function lendOperators(): void {
  const run = { facts: null, now: null, fuel: Number.POSITIVE_INFINITY }
  for (const name of ['has_any', 'eq_ci', 'contains_word', 'num_gte']) {
    const fn = builtInOperators.get(name)?.fn
    if (fn === undefined) throw new Error(`there is no operator ${name}`)
    jsonLogic.add_operation(name, (...args: unknown[]) => fn(args, run, null, { tables: {}, tiers: [] }))
  }
}
