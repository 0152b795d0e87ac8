import { isDeepStrictEqual } from 'node:util'
import { planOf } from '@throughline/plugin-sdk'
import type { RuleResult } from '../contract.js'
import type { RecordedDecision } from './history-store.js'

/** One recorded decision that a draft of the rules would have made differently. */
export interface ReplayChange {
  readonly decision: string
  readonly conversation: string
  readonly at: Date
  readonly from: { readonly rule: string | null; readonly version: string }
  /** Rules that held, in their order; the one that decided; null: none, the default queue takes it. */
  readonly to: { readonly rule: string | null; readonly matched: readonly string[]; readonly failed: readonly string[] }
  readonly fields: readonly FieldChange[]
}

export interface FieldChange {
  readonly field: string
  readonly from: unknown
  readonly to: unknown
}

export interface Replay {
  readonly decisions: number
  /** Another plan: the conversation would have gone elsewhere, or otherwise. */
  readonly changes: readonly ReplayChange[]
  /** The same plan by another rule. */
  readonly onlyTheRule: number
  /** Decided by a routing plugin without rules, or closed: a draft of the rules does not touch them. */
  readonly others: number
  /** Old rule, new rule, how often the plan changed. */
  readonly moves: readonly { readonly from: string | null; readonly to: string | null; readonly count: number }[]
}

type Evaluate = (facts: Readonly<Record<string, unknown>>) => RuleResult | null
type Written = Readonly<Record<string, unknown>>

/** Asks a draft what it would have decided on recorded facts. Nothing is changed; the draft needs no plugin's facts. */
export async function replay(input: {
  readonly pages: AsyncIterable<readonly RecordedDecision[]>
  readonly evaluate: Evaluate
  readonly defaultQueue: string
}): Promise<Replay> {
  const changes: ReplayChange[] = []
  const moves = new Map<string, { from: string | null; to: string | null; count: number }>()
  const counts = { decisions: 0, onlyTheRule: 0, others: 0 }
  for await (const page of input.pages) {
    for (const recorded of page) {
      counts.decisions++
      if (recorded.plan === null || !byRules(recorded)) {
        counts.others++
        continue
      }
      const result = input.evaluate(recorded.facts)
      const to = {
        rule: result?.rule ?? null,
        matched: result?.trace.matched ?? [],
        failed: result?.trace.failed ?? [],
      }
      const fields = planChanges(recorded.plan, plannedBy(result, input.defaultQueue))
      if (fields.length === 0) {
        if (to.rule !== recorded.rule) counts.onlyTheRule++
        continue
      }
      const { id, conversation, at, rule, version } = recorded
      changes.push({ decision: id, conversation, at, from: { rule, version }, to, fields })
      const key = JSON.stringify([rule, to.rule])
      const move = moves.get(key) ?? { from: rule, to: to.rule, count: 0 }
      move.count++
      moves.set(key, move)
    }
  }
  return { ...counts, changes, moves: [...moves.values()].sort((a, b) => b.count - a.count) }
}

/** Made by rules, or by nobody: then rules might have. */
export function byRules(decided: { readonly rule: string | null; readonly source: string }): boolean {
  return decided.rule !== null || decided.source === 'default'
}

/** The plan a result stands for; the default queue where no rule names one. */
export function plannedBy(result: RuleResult | null, defaultQueue: string) {
  return (result === null ? null : planOf(result.then)) ?? { queue: defaultQueue, priority: 'normal' as const }
}

/** Absent, empty and null mean the same in a plan. */
const EMPTY: Written = Object.freeze({ headStartS: 0, steps: [], preferred: [], tags: [] })

/** The fields in which two plans differ, compared as data. */
export function planChanges(from: Written, to: Written): readonly FieldChange[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
  return names.flatMap((field) => {
    const [a, b] = [from, to].map((plan) => JSON.parse(JSON.stringify(plan[field] ?? EMPTY[field] ?? null)) as unknown)
    return isDeepStrictEqual(a, b) ? [] : [{ field, from: a, to: b }]
  })
}
