import type { PlanStep } from '@throughline/plugin-sdk'
import type { QueueConfig } from '../config/contract.js'
import { parseSteps, type Change, type ScanRow } from './dispatch-store.js'
import type { ShiftAllows } from './shifts.js'
import { hasRoom, inTeams, qualifies, requirements, select, stepAt, takes, type Candidate } from './selection.js'

/** What one pass over a queue works with. Candidates fill up as items are matched. */
export interface MatchContext {
  readonly queues: ReadonlyMap<string, QueueConfig>
  readonly defaultQueue: string
  readonly candidates: readonly Candidate[]
  /** Shifts that end soon leave an agent out of what would take too long. */
  readonly allows?: ShiftAllows
  /** The database's clock, in milliseconds. */
  readonly now: number
}

export interface Match {
  readonly row: ScanRow
  /** null: nobody can take it now. */
  readonly candidate: Candidate | null
  /** What has to be written to the item besides the offer; null: nothing. */
  readonly change: Change | null
  readonly step: number
  readonly trace: {
    readonly reason: string
    readonly passedOver: readonly { readonly agent: string; readonly why: string }[]
  }
}

/** Items that ask for the same are judged once; who is full for one of them is full for all. */
interface Kind {
  readonly steps: readonly PlanStep[]
  /** Somebody, connected or not, qualifies. */
  readonly configured: boolean
  /** Somebody belongs to the teams asked for, whatever their skills. */
  readonly staffed: boolean
  readonly open: readonly Candidate[]
  full: boolean
}

export function createMatcher(context: MatchContext): (row: ScanRow) => Match {
  const kinds = new Map<string, Kind>()
  const parsed = new Map<string | null, readonly PlanStep[]>()
  return (row) => {
    let steps = parsed.get(row.steps)
    if (steps === undefined) parsed.set(row.steps, (steps = parseSteps(row.steps)))
    const step = Math.max(row.step, stepAt(steps, row.elapsedS))
    const advance = advanceTo(steps, row, step)
    const names = [...new Set([row.queue, ...row.extraQueues, ...advance.addQueues])]
    const kind = kindOf(kinds, context, row, steps, step, names)
    const candidate = kind.full ? null : choose(row, kind, context.now)
    if (candidate !== null) {
      candidate.reserved += row.units
      candidate.byChannel[row.channelKind] = (candidate.byChannel[row.channelKind] ?? 0) + 1
      const change = advance.changed ? { id: row.id, step, reason: null, ...advance.of } : null
      return { row, candidate, change, step, trace: traceOf(row, candidate, kind, context.now) }
    }
    // Excluded agents make this item's case different from its kind's.
    if (Object.keys(row.excluded).length === 0) kind.full = true
    // A queue without members hands over to the default queue. One whose members lack a skill does not: skills that the
    // queue demands may be a duty.
    const lost = !kind.staffed && !names.includes(context.defaultQueue)
    const of = lost ? { ...advance.of, addQueues: [...advance.addQueues, context.defaultQueue] } : advance.of
    const reason = !kind.configured ? 'no_route' : kind.open.length === 0 ? 'waiting_skill' : 'waiting_capacity'
    const change = advance.changed || lost || reason !== row.reason ? { id: row.id, step, reason, ...of } : null
    return { row, candidate: null, change, step, trace: { reason, passedOver: [] } }
  }
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
  context: MatchContext,
  row: ScanRow,
  steps: readonly PlanStep[],
  step: number,
  names: readonly string[],
): Kind {
  const key = `${row.channelKind} ${row.units} ${step} ${names.join(' ')} ${row.steps ?? ''}`
  const known = kinds.get(key)
  if (known !== undefined) return known
  const ways = requirements(
    names.flatMap((name) => context.queues.get(name) ?? []),
    steps,
    step,
  )
  const qualified = context.candidates.filter((candidate) => qualifies(candidate, ways))
  const open = qualified.filter(
    (candidate) =>
      takes(candidate, row.channelKind) && context.allows?.(candidate.agent, row.queue, row.channelKind) !== false,
  )
  const staffed = context.candidates.some((candidate) => inTeams(candidate, ways))
  const kind = { steps, configured: qualified.length > 0, staffed, open, full: open.length === 0 }
  kinds.set(key, kind)
  return kind
}

function choose(row: ScanRow, kind: Kind, now: number): Candidate | null {
  return select({ ...row, excluded: untilOf(row) }, kind.open, now)
}

function untilOf(row: ScanRow): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(row.excluded).map(([agent, until]) => [agent, Date.parse(until)]))
}

const SHOWN = 10

function traceOf(row: ScanRow, chosen: Candidate, kind: Kind, now: number): Match['trace'] {
  const excluded = untilOf(row)
  const others = kind.open.filter((candidate) => candidate !== chosen).slice(0, SHOWN)
  const passedOver = others.map((candidate) => ({
    agent: candidate.agent,
    why:
      (excluded[candidate.agent] ?? 0) > now
        ? 'excluded'
        : hasRoom(candidate, row.channelKind, row.units)
          ? 'ranked_after'
          : 'no_room',
  }))
  return { reason: row.preferred.includes(chosen.agent) ? 'preferred' : 'least_loaded', passedOver }
}
