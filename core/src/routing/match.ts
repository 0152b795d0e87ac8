import type { PlanStep } from '@throughline/plugin-sdk'
import { parseSteps, type Change } from './dispatch-store.js'
import { NO_SHARES, type FairShares } from './fair-share.js'
import { kindOf, type Context, type Kind, type MatchContext } from './match-kind.js'
import { askPreferred } from './match-preferred.js'
import { traceOf, type MatchTrace } from './match-trace.js'
import type { ScanRow } from './scan-store.js'
import { hasRoom, isRoomy, select, stepAt, type Candidate } from './selection.js'
import { REAL_TIME } from './units.js'

export interface Match {
  readonly row: ScanRow
  /** null: nobody can take it now. */
  readonly candidate: Candidate | null
  /** Asked at the same time, where the queue broadcasts. */
  readonly others: readonly Candidate[]
  /** What has to be written to the item besides the offer; null: nothing. */
  readonly change: Change | null
  readonly step: number
  readonly trace: MatchTrace
  /** One item over the agent's capacity. */
  readonly over: boolean
  /** The step says that an answer has to be translated. */
  readonly translate: boolean
  /** Supervisors should know: everybody who could be asked said no, or nobody can be asked and all steps are used. */
  readonly alert: 'all_declined' | 'unattended' | null
}

export interface Matcher {
  match(row: ScanRow): Match
  /**
   * Whether an item of this one's class might find somebody, or has to be told something new. Steps that are due do not
   * count: the scan looks at those items one by one.
   */
  hopeful(row: ScanRow): boolean
}

/** What a class of items would be told. */
interface Judged {
  readonly step: number
  readonly advance: ReturnType<typeof advanceTo>
  readonly names: readonly string[]
  readonly kind: Kind
  /** Why nobody gets it, should it be so. */
  readonly reason: string
  /** It is handed over to the default queue. */
  readonly lost: boolean
  readonly translate: boolean
  /** There are steps behind this one. */
  readonly further: boolean
  /** There are steps, and this is the last. */
  readonly last: boolean
}

export function createMatcher(given: MatchContext): Matcher {
  const context: Context = { shares: NO_SHARES, ...given }
  const { shares } = context
  const kinds = new Map<string, Kind>()
  const parsed = new Map<string | null, readonly PlanStep[]>()
  const roomy = context.candidates.filter((one) => isRoomy(one, SMALLEST, context.queues.values()))

  const byName = new Map(context.candidates.map((one) => [one.agent, one]))

  const judge = (row: ScanRow, elapsedS: number, least = 0): Judged => {
    let steps = parsed.get(row.steps)
    if (steps === undefined) parsed.set(row.steps, (steps = parseSteps(row.steps)))
    const step = Math.max(row.step, stepAt(steps, elapsedS), least)
    const advance = advanceTo(steps, row, step)
    const names = [...new Set([row.queue, ...row.extraQueues, ...advance.addQueues])]
    const kind = kindOf(kinds, context, roomy, row, steps, step, names)
    const skipIf = steps[step]?.skipIf
    const isLast = step >= steps.length - 1
    if (!isLast && skipIf !== undefined && (skipIf === 'logged_in==0' ? !kind.attended : kind.free.length === 0))
      return judge(row, elapsedS, step + 1)
    // A queue without members hands over to the default queue. One whose members lack a skill does not: skills that the
    // queue demands may be a duty.
    const lost = !kind.staffed && !names.includes(context.defaultQueue)
    const reason = !kind.configured ? 'no_route' : kind.attended ? 'waiting_capacity' : 'waiting_skill'
    return {
      step,
      advance,
      names,
      kind,
      reason,
      lost,
      translate: steps[step]?.translate === true,
      further: !isLast,
      last: isLast && steps.length > 0,
    }
  }

  const interruptible = (row: ScanRow): readonly string[] => context.queues.get(row.queue)?.interruptible ?? []

  /** Whom a broadcast asks as well. */
  const rest = (row: ScanRow, kind: Kind, first: Candidate): readonly Candidate[] => {
    const queue = context.queues.get(row.queue)
    if (queue?.offer !== 'broadcast') return []
    const asked = [first]
    while (asked.length < (queue.broadcastTo ?? BROADCAST_TO)) {
      const free = kind.free.filter((candidate) => !asked.includes(candidate))
      const next = choose(row, untilOf(row), kind, free, context)
      if (next === null) break
      reserve(next, row, shares)
      asked.push(next)
    }
    return asked.slice(1)
  }

  const match = (row: ScanRow): Match => {
    const excluded = untilOf(row)
    let judged = judge(row, row.elapsedS)
    // Everybody who can be asked has just said no: nobody is gained by letting the step run out.
    const declined = allDeclined(judged.kind, excluded, context.now)
    while (judged.further && allDeclined(judged.kind, excluded, context.now))
      judged = judge(row, row.elapsedS, judged.step + 1)
    const { step, advance, kind, lost, translate, last } = judged
    const preferred = askPreferred(row, kind, byName, excluded, context)
    const candidate =
      preferred?.candidate ?? (preferred !== null || kind.full ? null : choose(row, excluded, kind, kind.free, context))
    const alert = declined && row.reason !== 'all_declined' ? 'all_declined' : null
    if (candidate !== null) {
      reserve(candidate, row, shares)
      const others = rest(row, kind, candidate)
      const change = advance.changed ? { id: row.id, step, reason: null, ...advance.of } : null
      const over = preferred?.over === true
      const how = { over, shares, interruptible: interruptible(row) }
      const trace = traceOf(row, excluded, candidate, kind, context.now, how)
      return { row, candidate, others, change, step, trace, over, translate, alert }
    }
    // Excluded agents and preferred ones make this item's case different from its kind's.
    if (Object.keys(excluded).length === 0 && preferred === null) kind.full = true
    const unattended = last && !kind.attended && kind.configured
    const reason =
      preferred !== null ? 'hold_preferred' : declined ? 'all_declined' : unattended ? 'unattended' : judged.reason
    const of = lost ? { ...advance.of, addQueues: [...advance.addQueues, context.defaultQueue] } : advance.of
    const told = advance.changed || lost || reason !== row.reason
    const hold = preferred === null ? {} : { holdS: preferred.holdS }
    const asMessage = unattended && REAL_TIME.includes(row.channelKind) ? { asMessage: true } : {}
    const change = told ? { id: row.id, step, reason, ...of, ...hold, ...asMessage } : null
    const raised = alert ?? (unattended && row.reason !== 'unattended' ? 'unattended' : null)
    const trace = { reason, passedOver: [] }
    return { row, candidate: null, others: [], change, step, trace, over: false, translate, alert: raised }
  }

  const isHopeful = (row: ScanRow): boolean => {
    // These are read one by one.
    if (row.reason === 'hold_preferred') return false
    const { advance, kind, reason, lost, last } = judge(row, 0)
    const settled = row.reason === 'all_declined' || (row.reason === 'unattended' && last && !kind.attended)
    if (advance.changed || lost || (reason !== row.reason && !settled)) return true
    return (
      !kind.full &&
      kind.free.some(
        (candidate) =>
          shares.allows(row, candidate.agent) && hasRoom(candidate, row.channelKind, row.units, interruptible(row)),
      )
    )
  }
  const hopeful = (row: ScanRow): boolean =>
    isHopeful(row) || (shares.isMixed(row) && isHopeful({ ...row, again: row.again !== true }))
  return { match, hopeful }
}

function allDeclined(kind: Kind, excluded: Readonly<Record<string, number>>, now: number): boolean {
  if (Object.keys(excluded).length === 0) return false
  const open = kind.open()
  return open.length > 0 && open.every((candidate) => (excluded[candidate.agent] ?? 0) > now)
}

/** Reaching a step may open further queues and bring the item forward, once. */
function advanceTo(steps: readonly PlanStep[], row: ScanRow, step: number) {
  const reached = steps.slice(row.step === 0 && row.reason === null ? 0 : row.step + 1, step + 1)
  const addQueues = reached
    .flatMap((one) => one.overflow ?? [])
    .filter((queue) => !row.extraQueues.includes(queue) && queue !== row.queue)
  const headStartS = steps.slice(row.step + 1, step + 1).reduce((sum, one) => sum + (one.addHeadStartS ?? 0), 0)
  const of = { addQueues, headStartS }
  return { addQueues, of, changed: step !== row.step || addQueues.length > 0 }
}

function choose(
  row: ScanRow,
  excluded: Readonly<Record<string, number>>,
  kind: Kind,
  free: readonly Candidate[],
  { queues, now, shares }: Context,
): Candidate | null {
  const queue = queues.get(row.queue)
  const asking = { mode: queue?.selection ?? 'least_loaded', skills: kind.skills } as const
  const fair = shares.limits(row) ? free.filter((candidate) => shares.allows(row, candidate.agent)) : free
  return select({ ...row, excluded, interruptible: queue?.interruptible ?? [] }, fair, now, asking)
}

function reserve(candidate: Candidate, row: ScanRow, shares: FairShares): void {
  shares.count(row, candidate.agent)
  candidate.reserved += row.units
  candidate.byChannel[row.channelKind] = (candidate.byChannel[row.channelKind] ?? 0) + 1
}

function untilOf(row: ScanRow): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(row.excluded).map(([agent, until]) => [agent, Date.parse(until)]))
}

/** Units of the smallest piece of work. Who has no room for it has none for anything. */
export const SMALLEST = 10
const BROADCAST_TO = 5
