import type { Calendar } from '../calendars/contract.js'
import { BREACH, isWarning, secondsOf, sortLevels } from './levels.js'
import type { ClockState, Metric } from './contract.js'

/** One promise and how much of it is used. `usedS` is frozen at every change, so that no later edit rewrites history. */
export interface Clock {
  readonly id: string
  readonly conversation: string
  readonly touchpoint: string | null
  readonly metric: Metric
  readonly cycle: number
  readonly policy: string
  readonly policyVersion: string
  readonly targetS: number
  readonly calendar: string
  readonly calendarVersion: string
  readonly state: ClockState
  /** Seconds of the calendar used until `runningSince`, or until the end. */
  readonly usedS: number
  readonly startedAt: Date
  /** null: it does not count at present. */
  readonly runningSince: Date | null
  readonly dueAt: Date | null
  /** Levels that may still fire, in their order. */
  readonly levels: readonly string[]
  readonly fired: readonly string[]
  readonly nextLevel: string | null
  readonly nextAt: Date | null
  /** When the last level before the target was reached; null: none was yet. */
  readonly warnedAt: Date | null
  readonly breachedAt: Date | null
  readonly endedAt: Date | null
  readonly reason: string | null
  /** Message that opened or fulfilled it. */
  readonly openedBy: string | null
  readonly fulfilledBy: string | null
}

export interface Target {
  readonly seconds: number
  readonly calendar: Calendar
  readonly levels: readonly string[]
  readonly policy: string
  readonly policyVersion: string
}

/** Against the noise of binary fractions; the calendar counts milliseconds. */
const EPSILON = 0.0005

export function openClock(
  of: Pick<Clock, 'id' | 'conversation' | 'touchpoint' | 'metric' | 'cycle' | 'openedBy'>,
  target: Target,
  at: Date,
): Clock {
  return scheduled(
    {
      ...of,
      policy: target.policy,
      policyVersion: target.policyVersion,
      targetS: target.seconds,
      calendar: target.calendar.name,
      calendarVersion: target.calendar.version,
      state: 'running',
      usedS: 0,
      startedAt: at,
      runningSince: at,
      dueAt: null,
      levels: sortLevels([...target.levels, BREACH], target.seconds),
      fired: [],
      nextLevel: null,
      nextAt: null,
      warnedAt: null,
      breachedAt: null,
      endedAt: null,
      reason: null,
      fulfilledBy: null,
    },
    target.calendar,
  )
}

export function isOpen(clock: Clock): boolean {
  return clock.endedAt === null && clock.state !== 'cancelled'
}

/** Seconds used at an instant; what lies before the last change is not counted again. */
export function usedAt(clock: Clock, at: Date, calendar: Calendar): number {
  return clock.runningSince === null ? clock.usedS : clock.usedS + calendar.between(clock.runningSince, at)
}

export function pause(clock: Clock, at: Date, calendar: Calendar): Clock {
  if (!isOpen(clock) || clock.runningSince === null) return clock
  const state = clock.state === 'running' ? 'paused' : clock.state
  return unscheduled({ ...clock, state, usedS: usedAt(clock, at, calendar), runningSince: null })
}

/** Counts again from `at`; also a clock that had ended, when its conversation is taken up again. A breach stays. */
export function resume(clock: Clock, at: Date, calendar: Calendar): Clock {
  if (clock.runningSince !== null && clock.endedAt === null) return clock
  const state = clock.breachedAt === null ? 'running' : 'breached'
  const open = { ...clock, state, runningSince: at, endedAt: null, reason: null, fulfilledBy: null } as const
  return scheduled(open, calendar)
}

/**
 * Another target, calendar or policy from `at` on; what is used stays used. Already over: breached at this moment, due in
 * the past. Only levels that lie after the change are armed again, and none that has fired. A clock that was late before
 * never changes.
 */
export function retarget(clock: Clock, to: Target, at: Date, before: Calendar): Clock {
  if (clock.state !== 'running' && clock.state !== 'paused') return clock
  const usedS = usedAt(clock, at, before)
  const over = usedS > to.seconds + EPSILON
  const levels = sortLevels([...to.levels, BREACH], to.seconds).filter((level) => {
    const due = secondsOf(level, to.seconds)
    return !clock.fired.includes(level) && (level === BREACH ? !over : due > usedS + EPSILON)
  })
  const changed: Clock = {
    ...clock,
    policy: to.policy,
    policyVersion: to.policyVersion,
    targetS: to.seconds,
    calendar: to.calendar.name,
    calendarVersion: to.calendar.version,
    usedS,
    runningSince: clock.runningSince === null ? null : at,
    levels,
  }
  if (!over) return clock.runningSince === null ? unscheduled(changed) : scheduled(changed, to.calendar)
  const since = clock.runningSince ?? clock.startedAt
  const usedUp = before.add(since, Math.max(0, to.seconds - clock.usedS))
  const late: Clock = { ...changed, state: 'breached', breachedAt: at, fired: [...clock.fired, BREACH] }
  const next = late.runningSince === null ? unscheduled(late) : scheduled(late, to.calendar)
  return { ...next, dueAt: usedUp !== null && usedUp < at ? usedUp : at }
}

/** Equality is met. A breach that a reply in time overtook is none; one that a new target brought stays. */
export function fulfil(clock: Clock, at: Date, calendar: Calendar, by: string | null = null): Clock {
  if (!isOpen(clock)) return clock
  const usedS = usedAt(clock, at, calendar)
  const inTime = usedS <= clock.targetS + EPSILON
  const end = {
    usedS,
    endedAt: at,
    fulfilledBy: by,
    breachedAt: inTime ? null : (clock.breachedAt ?? clock.dueAt ?? at),
  }
  return stopped({ ...clock, ...end, state: inTime ? 'met' : 'met_late' })
}

/** The message that fulfilled it did not arrive: it counts on as if there had been none. */
export function unfulfil(clock: Clock, calendar: Calendar): Clock {
  if ((clock.state !== 'met' && clock.state !== 'met_late') || clock.endedAt === null) return clock
  return resume(clock, clock.endedAt, calendar)
}

/** Ends without being met. What was late already stays late. */
export function cancel(clock: Clock, at: Date, calendar: Calendar, reason: string): Clock {
  if (!isOpen(clock)) return clock
  const state = clock.state === 'breached' ? 'breached' : 'cancelled'
  return stopped({ ...clock, state, usedS: usedAt(clock, at, calendar), endedAt: at, reason })
}

/** Levels whose time has come by `until`; breached is when the time is due, however late we look. */
export function fire(
  clock: Clock,
  until: Date,
  calendar: Calendar,
): { readonly clock: Clock; readonly levels: readonly string[] } {
  const levels: string[] = []
  let now = clock
  while (now.nextLevel !== null && now.nextAt !== null && now.nextAt <= until && isOpen(now)) {
    const level = now.nextLevel
    levels.push(level)
    const late = level === BREACH && now.breachedAt === null
    now = {
      ...now,
      fired: [...now.fired, level],
      levels: now.levels.filter((one) => one !== level),
      ...(isWarning(level) ? { warnedAt: now.nextAt } : {}),
      ...(late ? { state: 'breached' as const, breachedAt: now.dueAt } : {}),
    }
    now = scheduled(now, calendar)
  }
  return { clock: now, levels }
}

/** Due time and next level of a clock that counts. Afterwards, a due time that has passed is kept. */
function scheduled(clock: Clock, calendar: Calendar): Clock {
  const since = clock.runningSince ?? clock.startedAt
  const at = (seconds: number): Date | null => calendar.add(since, Math.max(0, seconds - clock.usedS))
  const dueAt = clock.breachedAt !== null && clock.dueAt !== null ? clock.dueAt : at(clock.targetS)
  const [level] = clock.levels
  const nextAt = level === undefined ? null : at(secondsOf(level, clock.targetS))
  return { ...clock, dueAt, nextAt, nextLevel: nextAt === null ? null : (level ?? null) }
}

/** Paused: nothing is due, except what was due before. */
function unscheduled(clock: Clock): Clock {
  return { ...clock, dueAt: clock.breachedAt === null ? null : clock.dueAt, nextAt: null, nextLevel: null }
}

function stopped(clock: Clock): Clock {
  return { ...clock, runningSince: null, nextAt: null, nextLevel: null }
}
