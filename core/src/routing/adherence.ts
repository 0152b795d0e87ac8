import type { Kysely } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { Tables } from '../store/tables.js'
import type { Adherence } from './contract.js'
import { databaseNow } from './opening-store.js'
import { eligibleTimes } from './shift-store.js'
import type { Shifts } from './shifts.js'

const MOST_DAYS = 366

/** How much of the scheduled time an agent took work. Computed when asked, from the intervals of their states. */
export async function adherenceOf(
  deps: { readonly db: Kysely<Tables>; readonly shifts: Shifts },
  agent: string,
  from: Date,
  to: Date,
): Promise<Adherence> {
  if (!(from < to) || to.getTime() - from.getTime() > MOST_DAYS * 86_400_000) {
    throw new ThroughlineError('TL_COMMAND_INVALID', `/to must be after /from, by ${MOST_DAYS} days at most`, {
      details: { path: '/to' },
    })
  }
  const calendar = deps.shifts.calendarOf(agent)
  if (calendar === null) return { scheduledS: 0, adheredS: 0, adherence: null }
  const now = await databaseNow(deps.db)
  const end = to < now ? to : now
  const scheduledS = calendar.between(from, end)
  const times = await eligibleTimes(deps.db, agent, from, end)
  const adheredS = times.reduce((sum, time) => sum + calendar.between(time.from, time.to), 0)
  return { scheduledS, adheredS, adherence: scheduledS === 0 ? null : adheredS / scheduledS }
}
