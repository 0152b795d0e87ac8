import type { Calendar, Calendars } from '../calendars/contract.js'
import type { Config } from '../config/contract.js'

/** Seconds the work of a queue and sort of channel takes on average; null: nothing known. */
export type HandleTimes = (queue: string, channelKind: string) => number | null

/** Whether an agent may be asked about work of a queue, as far as the end of their shift goes. */
export type ShiftAllows = (agent: string, queue: string, channelKind: string) => boolean

export interface Shifts {
  /** Agents with a schedule. */
  readonly agents: readonly string[]
  calendarOf(agent: string): Calendar | null
  allowsAt(now: Date): ShiftAllows
}

const SHIFT_END_MIN = 15
/** Where nothing was handled yet: ten minutes. */
const EXPECTED_S = 600

/**
 * In the last minutes of a shift an agent is asked only about what is likely to be done in time. Who is online after the
 * shift has chosen so, and is asked as ever.
 */
export function createShifts(
  config: Pick<Config, 'agents' | 'workforce'>,
  calendars: Calendars | null,
  handleTime: HandleTimes,
): Shifts {
  const lastMs = (config.workforce?.shiftEndMinutes ?? SHIFT_END_MIN) * 60_000
  const known = new Map(
    config.agents.flatMap(({ id }) => {
      const calendar = calendars?.get(`agent:${id}`) ?? null
      return calendar === null ? [] : [[id, calendar] as const]
    }),
  )
  // A pass asks about the same agents again and again: the end of a shift stays the same until it has come.
  const ends = new Map<string, Date | null>()
  const endOf = (agent: string, calendar: Calendar, now: Date): Date | null => {
    const end = ends.get(agent)
    if (end != null && end > now) return end
    const next = calendar.closesAt(now)
    ends.set(agent, next)
    return next
  }
  return Object.freeze({
    agents: Object.freeze([...known.keys()]),
    calendarOf: (agent: string) => known.get(agent) ?? null,
    allowsAt: (now: Date) => (agent: string, queue: string, channelKind: string) => {
      const calendar = known.get(agent)
      if (calendar === undefined) return true
      const end = endOf(agent, calendar, now)
      if (end === null) return true
      const leftMs = end.getTime() - now.getTime()
      return leftMs > lastMs || (handleTime(queue, channelKind) ?? EXPECTED_S) * 1000 <= leftMs
    },
  })
}
