import { deepStrictEqual } from 'node:assert/strict'
import jsonLogic from 'json-logic-js'
import type * as Operators from '../../core/src/routing/rules/operators.js'
import type * as RuleFile from '../../core/src/routing/rules/rule-file.js'
import { core } from './core.js'
import { draw, factsOf, ruleFile, type Rule } from './rule-set.js'
import { median } from './scope.js'
import type { Line } from './report.js'

const ROUNDS = 9
const FACTS = 500
const names = { queues: new Map([['support', null]]), skills: [], teams: [], definitions: [] }

/**
 * Files of 100 rules, all of them asked for each message: the compiled file against json-logic-js applied to each rule in
 * turn. The operators that JSON-logic lacks are one and the same function on both sides, so the evaluator is compared. Each
 * result is compared before the clock starts.
 */
export async function b6(): Promise<Line> {
  const facts = Array.from({ length: FACTS }, (_, i) => factsOf(draw(7 + i)))
  const standard = await compare(ruleFile(100, false), facts)
  const typed = await compare(ruleFile(100, true), facts)
  return {
    bench: 'B6',
    ratio: standard.ratio,
    goal: '>= 3',
    ours: standard.ours,
    theirs: standard.theirs,
    unit: 'rules/s, rules/s',
    // The same with a third of the rules in operators of ours, whose own work is the same on both sides.
    withOwnOperators: typed,
    messages: FACTS,
    rounds: ROUNDS,
  }
}

interface Result {
  readonly ratio: number
  readonly ours: number
  readonly theirs: number
}

async function compare(file: { readonly rules: readonly Rule[] }, facts: readonly object[]): Promise<Result> {
  const { readRuleFile } = await core<typeof RuleFile>('routing/rules/rule-file.js')
  const loaded = readRuleFile(JSON.stringify(file), 'bench.json', 'routing', names)
  if (!loaded.ok) throw new Error(`the bench's rules are refused: ${JSON.stringify(loaded.problems.slice(0, 3))}`)
  await lendOperators()
  const ours = () => {
    let seen = 0
    for (const one of facts) seen += loaded.evaluate(one as Record<string, unknown>)?.trace.matched.length ?? 0
    return seen
  }
  const theirs = () => {
    let seen = 0
    for (const one of facts) seen += inTurn(file.rules, one).length
    return seen
  }
  for (const one of facts) {
    const result = loaded.evaluate(one as Record<string, unknown>)
    deepStrictEqual(result?.trace, { matched: inTurn(file.rules, one), failed: [] })
  }
  const rates: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] }
  const evaluations = file.rules.length * facts.length
  for (let round = -2; round < ROUNDS; round++) {
    const [mine, other] = [rate(ours, evaluations), rate(theirs, evaluations)]
    if (round < 0) continue
    rates.ours.push(mine)
    rates.theirs.push(other)
  }
  return {
    ratio: median(rates.ours.map((one, i) => one / (rates.theirs[i] ?? 1))),
    ours: median(rates.ours),
    theirs: median(rates.theirs),
  }
}

/** Ids of the rules that match, in order, as json-logic-js sees them. */
function inTurn(rules: readonly Rule[], facts: object): readonly string[] {
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

async function lendOperators(): Promise<void> {
  const { builtInOperators } = await core<typeof Operators>('routing/rules/operators.js')
  const run = { facts: null, now: null, fuel: Number.POSITIVE_INFINITY }
  for (const name of ['has_any', 'eq_ci', 'contains_word', 'num_gte']) {
    const fn = builtInOperators.get(name)?.fn
    if (fn === undefined) throw new Error(`there is no operator ${name}`)
    jsonLogic.add_operation(name, (...args: unknown[]) => fn(args, run, null, { tables: {}, tiers: [] }))
  }
}
