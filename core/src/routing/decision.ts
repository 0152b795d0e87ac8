import type { Decision, Plan } from '@throughline/plugin-sdk'
import type { Facts, PlannedWork } from './contract.js'

const PRIORITIES = ['urgent', 'high', 'normal', 'low']
const MAX_HEAD_START_S = 86_400

/** The names a decision may use. Anything else would leave an item where nobody looks. */
export interface DecisionNames {
  readonly queues: ReadonlySet<string>
  readonly defaultQueue: string
  /** Agent → who stands in for them. */
  readonly backups: ReadonlyMap<string, string>
}

export function backupsOf(
  agents: readonly { readonly id: string; readonly backup?: string | null }[] | undefined,
): ReadonlyMap<string, string> {
  return new Map((agents ?? []).flatMap(({ id, backup }) => (backup == null ? [] : [[id, backup] as const])))
}

export type Judged =
  { readonly ok: true; readonly work: PlannedWork | null } | { readonly ok: false; readonly reason: string }

const refuse = (reason: string): Judged => ({ ok: false, reason })

/**
 * Judges what a plugin answered, which may be anything, and turns it into work. Reasons name the fault, never the
 * plugin's text: it may repeat a customer's words.
 */
export function judge(decision: unknown, facts: Facts, names: DecisionNames): Judged {
  if (typeof decision !== 'object' || decision === null || !('to' in decision))
    return refuse('the answer is not a decision')
  const made = decision as Decision
  switch (made.to) {
    case 'queue':
      return judgePlan(made.plan, facts, names)
    case 'agent': {
      if (typeof made.id !== 'string' || made.id === '') return refuse('"to": "agent" names no agent')
      const plan = made.plan ?? { queue: names.defaultQueue, priority: 'normal' }
      return judgePlan({ ...plan, preferred: [made.id, ...listed(plan.preferred)] }, facts, names)
    }
    case 'hold': {
      const until = new Date(made.until)
      if (Number.isNaN(until.getTime())) return refuse('"to": "hold" has no readable "until"')
      const plan: Plan = { queue: names.defaultQueue, priority: 'normal' }
      return { ok: true, work: { plan, held: { until, reason: 'routing' }, preferred: [] } }
    }
    case 'close':
      return { ok: true, work: null }
    case 'assistant':
      return refuse('"to": "assistant" names an assistant that does not run here')
    case 'pass':
      return refuse('pass')
    default:
      return refuse('"to" is not one of queue, agent, assistant, hold, close, pass')
  }
}

function judgePlan(plan: unknown, facts: Facts, names: DecisionNames): Judged {
  if (typeof plan !== 'object' || plan === null) return refuse('the decision has no plan')
  const { queue, priority, headStartS, steps } = plan as Partial<Plan>
  if (typeof queue !== 'string' || !names.queues.has(queue))
    return refuse('the plan names a queue that is not configured')
  if (!PRIORITIES.includes(priority as string)) return refuse('the plan has no priority of urgent, high, normal, low')
  if (headStartS !== undefined && !(Number.isInteger(headStartS) && Math.abs(headStartS) <= MAX_HEAD_START_S)) {
    return refuse('headStartS is not a whole number of seconds within a day')
  }
  if (
    steps !== undefined &&
    !(Array.isArray(steps) && steps.length <= 20 && steps.every((step) => soundStep(step, names)))
  ) {
    return refuse('a step of the plan is not valid')
  }
  const named = listed((plan as Plan).preferred)
  const preferred = [...new Set(named.flatMap((name) => resolve(name, facts, names)))]
  const manager = named.includes('account_manager') ? facts.contact.accountManager : null
  const overcommit = manager == null ? [] : [manager]
  return { ok: true, work: { plan: plan as Plan, held: null, preferred, overcommit } }
}

function soundStep(step: unknown, names: DecisionNames): boolean {
  if (typeof step !== 'object' || step === null) return false
  const { overflow, seconds, skills, languages, teams, drop, skipIf } = step as NonNullable<Plan['steps']>[number]
  const levels: unknown[] = Object.values(skills ?? {})
  return (
    (overflow === undefined || names.queues.has(overflow)) &&
    (seconds === undefined || (Number.isFinite(seconds) && seconds > 0)) &&
    levels.every((level) => typeof level === 'number' && level >= 1 && level <= 10) &&
    (languages === undefined || typeof languages === 'object') &&
    (teams === undefined || Array.isArray(teams)) &&
    (skipIf === undefined || skipIf === 'logged_in==0' || skipIf === 'free==0') &&
    (drop === undefined || Array.isArray(drop))
  )
}

function listed(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string').slice(0, 10) : []
}

/** `last_agent` and `account_manager` (with who stands in for them) become whoever that is now; nobody, where there is none. */
function resolve(name: string, facts: Facts, names: DecisionNames): readonly string[] {
  const agent =
    name === 'last_agent'
      ? facts.conversation.lastAgent
      : name === 'account_manager'
        ? facts.contact.accountManager
        : name
  if (agent == null) return []
  const backup = name === 'account_manager' ? names.backups.get(agent) : undefined
  return backup === undefined ? [agent] : [agent, backup]
}
