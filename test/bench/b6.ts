import { coreBench } from './core.js'
import { median } from './scope.js'
import type { Line } from './report.js'

interface RuleRace {
  raceRules(rounds: number, own: boolean): { readonly ours: readonly number[]; readonly theirs: readonly number[] }
}

const ROUNDS = 9

/** Rules a second of a compiled file of 100 rules against json-logic-js applied to each rule in turn. */
export async function b6(): Promise<Line> {
  const { raceRules } = await coreBench<RuleRace>('rule-race')
  const standard = summary(raceRules(ROUNDS, false))
  return {
    bench: 'B6',
    ...standard,
    goal: '>= 3',
    unit: 'rules/s, rules/s',
    // The same with a third of the conditions in operators of ours, whose own work is the same on both sides.
    withOwnOperators: summary(raceRules(ROUNDS, true)),
    rounds: ROUNDS,
  }
}

function summary({ ours, theirs }: ReturnType<RuleRace['raceRules']>) {
  const ratio = median(ours.map((rate, i) => rate / (theirs[i] ?? Number.NaN)))
  return { ratio, ours: median(ours), theirs: median(theirs) }
}
