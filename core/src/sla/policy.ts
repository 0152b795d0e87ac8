import type { Calendar, Calendars } from '../calendars/contract.js'
import type { RuleResult } from '../routing/contract.js'
import type { Target } from './clock.js'
import type { Metric } from './contract.js'

/** A matching rule of sla.json, ready to be asked. */
export interface Policy {
  readonly id: string
  readonly version: string
  /** What is promised; null: nothing for this metric, priority, sort of channel and tier. */
  target(metric: Metric, of: TargetFacts): Target | null
  /** Statuses in which a clock of this metric does not count. */
  pauses(metric: Metric): readonly string[]
  /** Whose public messages count as a reply. */
  fulfilsBy(author: 'human' | 'bot'): boolean
  /** A reply on one channel answers what waits on the others. */
  readonly crossChannel: boolean
}

export interface TargetFacts {
  readonly priority: string
  readonly channelKind: string | null
  readonly tier: string | null
}

/** One row of a target's table; the first that fits is taken. The linter has checked all of it. */
interface TargetRow {
  readonly priority?: readonly string[]
  readonly channel?: readonly string[]
  readonly tier?: readonly string[]
  readonly seconds?: number
  readonly minutes?: number
  readonly hours?: number
  readonly days?: number
  readonly calendar?: string
}

interface Written {
  readonly calendar?: string
  readonly targets?: Readonly<Record<string, readonly TargetRow[]>>
  readonly pause?: Readonly<Record<string, readonly string[]>>
  readonly fulfil_by?: readonly string[]
  readonly cross_channel_fulfil?: boolean
  readonly levels?: readonly string[]
}

/** Resolved and (for the requester) ended conversations never count; what else pauses, a policy may change. */
const PAUSES: Readonly<Record<Metric, readonly string[]>> = Object.freeze({
  first_reply: [],
  next_reply: [],
  periodic_update: [],
  requester_wait: ['pending'],
  agent_work: ['pending', 'snoozed'],
  total_resolution: [],
})
const LEVELS: readonly string[] = ['75%']

/** Reply clocks never pause by status, whatever a policy says: the linter refuses to say so. */
export function policyOf(result: RuleResult, calendars: Calendars): Policy {
  const then = result.then as Written
  const levels = then.levels ?? LEVELS
  const fulfil = new Set(then.fulfil_by ?? ['human'])
  // A calendar the configuration has lost since the file was checked: counting every second errs on the safe side.
  const calendar = (name: string | undefined): Calendar =>
    (name === undefined ? null : calendars.get(name)) ?? calendars.always
  return Object.freeze({
    id: result.rule,
    version: result.version,
    crossChannel: then.cross_channel_fulfil !== false,
    fulfilsBy: (author: 'human' | 'bot') => fulfil.has(author === 'bot' ? 'ai_agent' : 'human'),
    pauses: (metric: Metric) => then.pause?.[metric] ?? PAUSES[metric],
    target(metric: Metric, of: TargetFacts): Target | null {
      const row = then.targets?.[metric]?.find((one) => fits(one, of))
      if (row === undefined) return null
      return {
        seconds: (row.seconds ?? 0) + (row.minutes ?? 0) * 60 + (row.hours ?? 0) * 3600 + (row.days ?? 0) * 86_400,
        calendar: calendar(row.calendar ?? then.calendar),
        levels,
        policy: result.rule,
        policyVersion: result.version,
      }
    },
  })
}

function fits(row: TargetRow, of: TargetFacts): boolean {
  const has = (list: readonly string[] | undefined, value: string | null): boolean =>
    list === undefined || (value !== null && list.includes(value))
  return has(row.priority, of.priority) && has(row.channel, of.channelKind) && has(row.tier, of.tier)
}
