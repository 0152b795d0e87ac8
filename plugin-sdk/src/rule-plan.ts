import type { Plan, PlanStep, Priority } from './routing.js'

type Written = Readonly<Record<string, unknown>>

/** What the rules of a routing file say (`RuleOutcome.then`), as a plan. null: no queue is named, so nothing was decided. */
export function planOf(then: Written): Plan | null {
  const { queue, priority, head_start_s, steps, preferred, sla_policy, tags, tell_wait } = then
  if (typeof queue !== 'string') return null
  return {
    queue,
    priority: isPriority(priority) ? priority : 'normal',
    ...(typeof head_start_s === 'number' ? { headStartS: head_start_s } : {}),
    ...(Array.isArray(steps) ? { steps: steps.map((step) => toStep(step as Written)) } : {}),
    ...(Array.isArray(preferred) ? { preferred: preferred as readonly string[] } : {}),
    ...(typeof sla_policy === 'string' ? { slaPolicy: sla_policy } : {}),
    ...(Array.isArray(tags) ? { tags: tags as readonly string[] } : {}),
    ...(tell_wait === true ? { tellWait: true } : {}),
  }
}

const priorities: readonly Priority[] = ['urgent', 'high', 'normal', 'low']

function isPriority(value: unknown): value is Priority {
  return priorities.some((priority) => priority === value)
}

/** The rule file's checks have made sure of the types; three names differ. */
function toStep({ lang, add_head_start_s, skip_if, ...same }: Written): PlanStep {
  return {
    ...(same as PlanStep),
    ...(lang === undefined ? {} : { languages: lang as Readonly<Record<string, string>> }),
    ...(skip_if === undefined ? {} : { skipIf: skip_if as NonNullable<PlanStep['skipIf']> }),
    ...(add_head_start_s === undefined ? {} : { addHeadStartS: add_head_start_s as number }),
  }
}
