import type { FairShares } from './fair-share.js'
import { SHOWN, type Kind, type PassedOver } from './match-kind.js'
import type { ScanRow } from './scan-store.js'
import { hasRoom, type Candidate } from './selection.js'

/** Why this agent and not the others, for the record of the decision. */
export interface MatchTrace {
  readonly reason: string
  readonly passedOver: readonly PassedOver[]
}

export function traceOf(
  row: ScanRow,
  excluded: Readonly<Record<string, number>>,
  chosen: Candidate,
  kind: Kind,
  now: number,
  how: { readonly over: boolean; readonly shares: FairShares; readonly interruptible: readonly string[] },
): MatchTrace {
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
