import type { ChannelKind } from '../config/contract.js'
import { databaseNow } from './opening-store.js'
import { setStatus, type PresenceDeps } from './presence.js'
import { readPresence } from './presence-store.js'
import { readShifts, writeShift } from './shift-store.js'
import type { Shifts } from './shifts.js'
import { SYSTEM } from './work-events.js'

const MESSAGES: readonly ChannelKind[] = ['messaging', 'sms', 'email', 'social']
const OVER = 'shift_over'

/**
 * Shifts that began or ended since the last look. At the end nothing new comes, messages and e-mails go back to their
 * queues where the configuration says so, and the agent is away once the rest is done; at the start those whom the schedule
 * had set away are online again. Each turn is taken once: the side is written in the transaction of the status.
 */
export async function takeTurns(deps: PresenceDeps & { readonly shifts: Shifts }, signal: AbortSignal): Promise<void> {
  if (deps.shifts.agents.length === 0) return
  const now = await databaseNow(deps.db)
  const before = await readShifts(deps.db)
  for (const agent of deps.shifts.agents) {
    if (signal.aborted) return
    const on = deps.shifts.calendarOf(agent)?.isOpen(now) ?? false
    if (before.get(agent) === on) continue
    // Seen for the first time: nothing has begun or ended.
    if (!before.has(agent)) await writeShift(deps.db, agent, on)
    else await turn(deps, agent, on)
  }
}

async function turn(deps: PresenceDeps, agent: string, on: boolean): Promise<void> {
  const presence = await readPresence(deps.db, agent)
  const within = (trx: Parameters<typeof writeShift>[0]): Promise<void> => writeShift(trx, agent, on)
  const to = { source: 'schedule', channels: null, until: null } as const
  const back = presence?.source === 'schedule' && presence.status === 'away' && presence.live
  const working = presence !== null && presence.status !== 'offline' && presence.status !== 'away'
  if (on && back) await setStatus(deps, agent, { ...to, status: 'online', reason: null }, SYSTEM, within)
  else if (!on && working) {
    const requeue = deps.config.workforce?.atShiftEnd === 'requeue'
    const options = { finish: true, ...(requeue ? { handBack: MESSAGES } : {}) }
    await setStatus(deps, agent, { ...to, status: 'away', reason: OVER }, SYSTEM, within, options)
  } else await writeShift(deps.db, agent, on)
}
