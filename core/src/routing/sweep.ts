import { releaseAbsent, type AbsenceDeps } from './absence.js'
import { releaseLost } from './assignments.js'
import { answerClosed, type ClosedAnswerDeps } from './closed-answer.js'
import { addOverflow, waitingQueues } from './dispatch-store.js'
import { openQueues } from './opening.js'
import { expireOffers, MISSES_TO_AWAY, type OfferDeps } from './offers.js'
import { changePresence, GRACE_S, LOST_S, setStatus, type PresenceDeps } from './presence.js'
import {
  absentAgents,
  finishedAgents,
  lapsedAgents,
  markLapsed,
  missingAgents,
  overStatuses,
} from './presence-store.js'
import { moveDrained } from './supervision.js'
import { takeTurns } from './shift-turns.js'
import type { Shifts } from './shifts.js'
import { REAL_TIME } from './units.js'
import { tellWaiting, type WaitAnswerDeps } from './wait-answer.js'
import { SYSTEM } from './work-events.js'
import { endWraps } from './wrap-up.js'

export interface SweepDeps extends PresenceDeps, OfferDeps, AbsenceDeps, ClosedAnswerDeps, WaitAnswerDeps {
  readonly shifts: Shifts
  readonly wake: (queues?: readonly string[]) => void
  /** The same, and every new item is told why it waits, even when nobody has room. */
  readonly lookThrough: (queues: readonly string[]) => void
}

/** A lost connection for so long, and the status says so. */
const OFFLINE_S = 300

/** What no job and no wake-up reached: overdue offers, held items whose time has come, overflow, step timers. */
export async function sweepWork(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await expireOffers(deps)) > 0);
  await endWraps(deps, signal)
  await openQueues(deps, signal)
  await moveDrained(deps, signal)
  await answerClosed(deps, signal)
  await tellWaiting(deps, signal)
  const overflow = deps.config.queues.flatMap(({ id, overflow, maxWaitSeconds }) =>
    overflow === null || maxWaitSeconds === null ? [] : [{ queue: id, overflow, seconds: maxWaitSeconds }],
  )
  await addOverflow(deps.db, overflow)
  const queues = await waitingQueues(deps.db)
  if (queues.length > 0) deps.lookThrough(queues)
}

/** Leases that ran out, connections that stayed away, agents who let offers pass, pauses that are over. */
export async function sweepPresence(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  for (const agent of await lapsedAgents(deps.db)) {
    if (signal.aborted) return
    await changePresence(deps, agent, async (trx) => {
      await markLapsed(trx, agent)
      return { rescind: null }
    })
  }
  for (const absent of await absentAgents(deps.db, REAL_TIME)) {
    if (signal.aborted) return
    // None of this is a miss (P7): who is not connected cannot answer.
    if (absent.pending && absent.goneS >= GRACE_S) {
      await changePresence(deps, absent.agent, async () => ({ rescind: 'connection_lost' }))
    }
    if (absent.goneS >= LOST_S) {
      for (const conversation of absent.realTime) {
        if (await releaseLost(deps, conversation, absent.agent)) await tellLost(deps, conversation)
      }
    }
    if (absent.goneS >= OFFLINE_S && absent.status !== 'offline') {
      await setStatus(
        deps,
        absent.agent,
        { status: 'offline', reason: 'connection_lost', source: 'system', channels: null, until: null },
        SYSTEM,
      )
    }
  }
  await takeTurns(deps, signal)
  await releaseAbsent(deps, signal)
  await awayAfterMisses(deps, await missingAgents(deps.db, MISSES_TO_AWAY))
  for (const { agent, ...to } of await finishedAgents(deps.db)) await setStatus(deps, agent, to, SYSTEM)
  for (const agent of await overStatuses(deps.db)) {
    await setStatus(
      deps,
      agent,
      { status: 'online', reason: null, source: 'system', channels: null, until: null },
      SYSTEM,
    )
  }
}

/** After the commit, so that a channel that refuses does not keep the work with an agent who is gone. Once at most. */
async function tellLost(deps: SweepDeps, conversation: string): Promise<void> {
  if (deps.outbound === null) return
  const outbound = deps.outbound()
  const author = { kind: 'system', id: null } as const
  try {
    const template = { name: 'agent-lost', values: {} }
    await outbound.queue({ conversation, parts: [], template, author, cause: 'connection_lost' })
    outbound.wake()
  } catch (error) {
    const { code } = error as { code?: string }
    deps.log.warn({ conversation, code }, 'a customer whose agent was lost could not be told')
  }
}

/** Whoever lets offers pass in a row is not there, whatever their status says. */
export async function awayAfterMisses(deps: PresenceDeps, agents: readonly string[]): Promise<void> {
  const still = new Set(agents.length === 0 ? [] : await missingAgents(deps.db, MISSES_TO_AWAY))
  for (const agent of agents.filter((one) => still.has(one))) {
    await setStatus(
      deps,
      agent,
      { status: 'away', reason: 'missed', source: 'misses', channels: null, until: null },
      SYSTEM,
    )
  }
}
