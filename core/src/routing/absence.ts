import type { Calendar } from '../calendars/contract.js'
import { absentOwners, ownedBy, type AbsentOwner } from './absence-store.js'
import { releaseLost, type AssignmentDeps } from './assignments.js'
import { databaseNow } from './opening-store.js'
import { LOST_S } from './presence.js'
import { REAL_TIME } from './units.js'

export interface AbsenceDeps extends AssignmentDeps {
  /** Hours of an agent: their schedule, else those of the queue. null: no hours are known. */
  readonly hoursOf: (agent: string, queue: string) => Calendar | null
}

const GRACE_MIN = 15

/**
 * Messages and e-mails of agents who are not there stay with them: until the customer writes while the agent should be
 * there, or until some minutes after the agent's next opening. Releasing acts once, by assignee.
 */
export async function releaseAbsent(deps: AbsenceDeps, signal: AbortSignal): Promise<void> {
  const now = await databaseNow(deps.db)
  for (const owner of await absentOwners(deps.db, REAL_TIME)) {
    if (signal.aborted) return
    if (owner.goneS < LOST_S) continue
    const hours = deps.hoursOf(owner.agent, owner.queue)
    const patience = deps.config.workforce?.ownerGraceMinutes ?? GRACE_MIN
    const until = waitsUntil(owner, hours, patience)
    for (const { conversation, wroteAt } of await ownedBy(deps.db, owner, REAL_TIME)) {
      const over = until !== null && until <= now
      const missedNow = wroteAt !== null && (hours === null || hours.isOpen(wroteAt))
      if (over || missedNow) await releaseLost(deps, conversation, owner.agent, 'owner_absent')
    }
  }
}

/** null: hours that never end have no next opening. */
function waitsUntil(owner: AbsentOwner, hours: Calendar | null, graceMinutes: number): Date | null {
  if (hours === null) return null
  const from = hours.isOpen(owner.since) ? hours.closesAt(owner.since) : owner.since
  const opening = from === null ? null : hours.nextOpen(from)
  return opening === null ? null : new Date(opening.getTime() + graceMinutes * 60_000)
}
