import type { Context, Kind } from './match-kind.js'
import type { ScanRow } from './scan-store.js'
import { hasRoom, mayGoOver, type Candidate } from './selection.js'
import { holdOf } from './units.js'

type Preferred =
  | { readonly candidate: Candidate; readonly over: boolean; readonly holdS: 0 }
  | { readonly candidate: null; readonly over: false; readonly holdS: number }

/**
 * The chain of preferred agents: the first who can take it gets it; one who is there and full is waited for until the hold
 * is over, and then the next is asked. Who is away, or not a member any more, costs no time. null: ask everybody.
 */
export function askPreferred(
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
