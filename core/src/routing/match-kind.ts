import type { PlanStep } from '@throughline/plugin-sdk'
import type { QueueConfig } from '../config/contract.js'
import type { FairShares } from './fair-share.js'
import type { ScanRow } from './scan-store.js'
import { demanding, inTeams, qualifies, requirements, takes, type Candidate } from './selection.js'
import type { ShiftAllows } from './shifts.js'

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

export type Context = MatchContext & { readonly shares: FairShares }

/** At most so many agents stand in a record. */
export const SHOWN = 10

export interface PassedOver {
  readonly agent: string
  readonly why: string
}

/** Items that ask for the same are judged once; who is full for one of them is full for all. */
export interface Kind {
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

export function kindOf(
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
