import type { PlanStep } from '@throughline/plugin-sdk'
import type { QueueConfig } from '../config/contract.js'
import { parseSteps, type Change } from './dispatch-store.js'
import { NO_SHARES, type FairShares } from './fair-share.js'
import type { ScanRow } from './scan-store.js'
import type { ShiftAllows } from './shifts.js'
import { holdOf, REAL_TIME } from './units.js'
import {
  demanding,
  hasRoom,
  inTeams,
  isRoomy,
  mayGoOver,
  qualifies,
  requirements,
  select,
  stepAt,
  takes,
  type Candidate,
} from './selection.js'

/** What one pass over a queue works with. Candidates fill up as items are matched. */
export interface MatchContext {
  readonly queues: ReadonlyMap<string, QueueConfig>
  readonly defaultQueue: string
  readonly candidates: readonly Candidate[]
  /** Shifts that end soon leave an agent out of what would take too long. */
  readonly allows?: ShiftAllows
  /** What agents may still have of the new work of queues that share it out; counted up as items are matched. */
  readonly shares?: FairShares
  /** The database's clock, in milliseconds. */
  readonly now: number
}

type Context = MatchContext & { readonly shares: FairShares }

export interface Match {
  readonly row: ScanRow
  /** null: nobody can take it now. */
  readonly candidate: Candidate | null
  /** Asked at the same time, where the queue broadcasts. */
  readonly others: readonly Candidate[]
  /** What has to be written to the item besides the offer; null: nothing. */
  readonly change: Change | null
  readonly step: number
  readonly trace: {
    readonly reason: string
    readonly passedOver: readonly PassedOver[]
  }
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

interface PassedOver {
  readonly agent: string
  readonly why: string
}

/** Items that ask for the same are judged once; who is full for one of them is full for all. */
interface Kind {
  /** Somebody, connected or not, qualifies. */
  readonly configured: boolean
  /** Somebody belongs to the teams asked for, whatever their skills. */
  readonly staffed: boolean
  /** Somebody who qualifies takes work of this sort now. */
  readonly attended: boolean
  /** Those of them who had room, and some of their share left, when the pass began. */
  readonly free: readonly Candidate[]
  /** Those and the full ones. Only asked for when an offer is made: everybody is looked at. */
  readonly open: () => readonly Candidate[]
  /** Members of the teams asked for who cannot be asked, and why; a few of them, for the record. */
  readonly unfit: () => readonly PassedOver[]
  readonly isOpen: (candidate: Candidate) => boolean
  readonly skills: readonly string[]
  full: boolean
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

type Preferred =
  | { readonly candidate: Candidate; readonly over: boolean; readonly holdS: 0 }
  | { readonly candidate: null; readonly over: false; readonly holdS: number }

/**
 * The chain of preferred agents: the first who can take it gets it; one who is there and full is waited for until the hold
 * is over, and then the next is asked. Who is away, or not a member any more, costs no time. null: ask everybody.
 */
function askPreferred(
  row: ScanRow,
  kind: Kind,
  byName: ReadonlyMap<string, Candidate>,
  excluded: Readonly<Record<string, number>>,
  context: Context,
): Preferred | null {
  if (row.preferred.length === 0) return null
  const left = (context.queues.get(row.queue)?.holdSeconds ?? holdOf(row.channelKind)) - row.elapsedS
  for (const name of row.preferred) {
    const candidate = byName.get(name)
    if (candidate === undefined || !kind.isOpen(candidate) || (excluded[name] ?? 0) > context.now) continue
    const interruptible = context.queues.get(row.queue)?.interruptible ?? []
    const fair = context.shares.allows(row, name)
    if (fair && hasRoom(candidate, row.channelKind, row.units, interruptible))
      return { candidate, over: false, holdS: 0 }
    if (fair && row.overcommit.includes(name) && mayGoOver(candidate)) return { candidate, over: true, holdS: 0 }
    if (left > 0) return { candidate: null, over: false, holdS: left }
  }
  return null
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

function kindOf(
  kinds: Map<string, Kind>,
  { candidates, queues, allows, shares }: Context,
  roomy: readonly Candidate[],
  row: ScanRow,
  steps: readonly PlanStep[],
  step: number,
  names: readonly string[],
): Kind {
  // Who has had their share of what is new may have what is not.
  const key = `${shares.limits(row) ? 'new ' : ''}${row.channelKind} ${row.units} ${step} ${names.join(' ')} ${row.steps ?? ''} ${row.skills === undefined ? '' : JSON.stringify(row.skills)}`
  const known = kinds.get(key)
  if (known !== undefined) return known
  const needs = names.flatMap((name) => queues.get(name) ?? []).map((queue) => demanding(queue, row.skills ?? {}))
  const ways = requirements(needs, steps, step)
  const open = (candidate: Candidate): boolean =>
    takes(candidate, row.channelKind) &&
    allows?.(candidate.agent, row.queue, row.channelKind) !== false &&
    qualifies(candidate, ways)
  const free = roomy.filter((candidate) => open(candidate) && shares.allows(row, candidate.agent))
  const unfitBecause = (candidate: Candidate): string | null => {
    if (!inTeams(candidate, ways)) return null
    if (!candidate.available) return 'unavailable'
    if (!takes(candidate, row.channelKind)) return 'takes_no_such_work'
    if (!qualifies(candidate, ways)) return 'not_qualified'
    return allows?.(candidate.agent, row.queue, row.channelKind) === false ? 'not_allowed' : null
  }
  let all: readonly Candidate[] | undefined
  let unfit: readonly PassedOver[] | undefined
  const attended = free.length > 0 || candidates.some(open)
  const kind: Kind = {
    isOpen: open,
    skills: [...new Set(ways.flatMap((way) => Object.keys(way.skills)))],
    configured: attended || candidates.some((candidate) => qualifies(candidate, ways)),
    staffed: attended || candidates.some((candidate) => inTeams(candidate, ways)),
    attended,
    free,
    open: () => (all ??= candidates.filter(open)),
    unfit: () => (unfit ??= fewUnfit(candidates, unfitBecause)),
    full: free.length === 0,
  }
  kinds.set(key, kind)
  return kind
}

/** Candidates are ordered by nothing that matters here: the first few say enough. */
function fewUnfit(
  candidates: readonly Candidate[],
  because: (candidate: Candidate) => string | null,
): readonly PassedOver[] {
  const found: PassedOver[] = []
  for (const candidate of candidates) {
    const why = because(candidate)
    if (why !== null) found.push({ agent: candidate.agent, why })
    if (found.length === SHOWN) break
  }
  return found
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
const SHOWN = 10
const BROADCAST_TO = 5

function traceOf(
  row: ScanRow,
  excluded: Readonly<Record<string, number>>,
  chosen: Candidate,
  kind: Kind,
  now: number,
  how: { readonly over: boolean; readonly shares: FairShares; readonly interruptible: readonly string[] },
): Match['trace'] {
  const others = kind
    .open()
    .filter((candidate) => candidate !== chosen)
    .slice(0, SHOWN)
  const passedOver = others.map((candidate) => ({
    agent: candidate.agent,
    why:
      (excluded[candidate.agent] ?? 0) > now
        ? 'excluded'
        : !hasRoom(candidate, row.channelKind, row.units, how.interruptible)
          ? 'no_room'
          : how.shares.allows(row, candidate.agent)
            ? 'ranked_after'
            : 'fair_share',
  }))
  const all = [...passedOver, ...kind.unfit()].slice(0, SHOWN)
  const reason = how.over ? 'overcommit' : row.preferred.includes(chosen.agent) ? 'preferred' : 'least_loaded'
  return { reason, passedOver: all }
}
