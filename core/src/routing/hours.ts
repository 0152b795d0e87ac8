import type { Plan } from '@throughline/plugin-sdk'
import type { Calendar, Calendars } from '../calendars/contract.js'
import type { Config, QueueConfig } from '../config/contract.js'

/** Whether a queue takes work at a moment. */
export type QueueState =
  | { readonly open: true }
  /** `opensAt` null: it does not open any more. */
  | { readonly open: false; readonly opensAt: Date | null; readonly timeZone: string }

/** Where an item of a queue waits at a moment. */
export interface Placing {
  /** null: it may be offered now. */
  readonly held: { readonly until: Date | null; readonly reason: typeof CLOSED } | null
  /** Open queues that help because its own is closed. The item stays where it is. */
  readonly extraQueues: readonly string[]
}

export interface QueueHours {
  /** False: the queue is always open, and nobody has to look at the clock. */
  bounded(queue: string): boolean
  state(queue: string, now: Date): QueueState
  /** The calendar that stands for a queue's hours: its own, else that of its first team. null: always open. */
  calendarOf(queue: string): Calendar | null
  /** Follow-the-sun: an open queue that helps is tried before the item is held. */
  place(plan: Pick<Plan, 'queue' | 'steps'>, now: Date): Placing
  /** The same for every queue that can be closed: what the sweep asks. */
  all(now: Date): readonly (Placing & { readonly queue: string })[]
}

export const CLOSED = 'closed'

const OPEN: QueueState = Object.freeze({ open: true })
const HERE: Placing = Object.freeze({ held: null, extraQueues: Object.freeze([]) })
/** Two calendars that never overlap within so many turns are taken for never open. */
const TURNS = 60

interface Hours {
  readonly own: Calendar | null
  /** Calendars of the teams; null: somebody is always there. */
  readonly teams: readonly Calendar[] | null
}

/** Opening hours of queues: the queue's own calendar and, where all its teams have one, at least one of theirs. */
export function createQueueHours(
  config: Pick<Config, 'queues' | 'defaultQueue'> & Partial<Pick<Config, 'teams'>>,
  calendars: Calendars | null,
): QueueHours {
  const queues = new Map(config.queues.map((queue) => [queue.id, queue]))
  const hours = new Map<string, Hours>()
  for (const queue of config.queues) {
    const own = queue.calendar === null ? null : (calendars?.get(queue.calendar) ?? null)
    const teams = teamCalendars(queue, config.teams ?? [], calendars)
    if (own !== null || teams !== null) hours.set(queue.id, { own, teams })
  }

  const state = (queue: string, now: Date): QueueState => {
    const known = hours.get(queue)
    if (known === undefined) return OPEN
    const opensAt = nextOpen(known, now)
    if (opensAt !== null && opensAt.getTime() <= now.getTime()) return OPEN
    return { open: false, opensAt, timeZone: (known.own ?? known.teams?.[0])?.timeZone ?? 'UTC' }
  }

  const helpers = (plan: Pick<Plan, 'queue' | 'steps'>): readonly string[] => {
    const chain: string[] = []
    for (let at = queues.get(plan.queue)?.overflow ?? null; at !== null && !chain.includes(at);) {
      chain.push(at)
      at = queues.get(at)?.overflow ?? null
    }
    return [...new Set([...chain, ...(plan.steps ?? []).flatMap((step) => step.overflow ?? [])])]
  }

  const place: QueueHours['place'] = (plan, now) => {
    const at = state(plan.queue, now)
    if (at.open) return HERE
    const open = helpers(plan).find((queue) => queue !== plan.queue && state(queue, now).open)
    if (open !== undefined) return { held: null, extraQueues: [open] }
    return { held: { until: at.opensAt, reason: CLOSED }, extraQueues: [] }
  }

  return Object.freeze({
    bounded: (queue: string) => hours.has(queue),
    state,
    calendarOf: (queue: string) => hours.get(queue)?.own ?? hours.get(queue)?.teams?.[0] ?? null,
    place,
    all: (now: Date) => [...hours.keys()].map((queue) => ({ queue, ...place({ queue }, now) })),
  })
}

function teamCalendars(
  queue: QueueConfig,
  teams: Config['teams'],
  calendars: Calendars | null,
): readonly Calendar[] | null {
  if (queue.teams.length === 0) return null
  const found = queue.teams.map((id) => {
    const name = teams.find((team) => team.id === id)?.calendar ?? null
    return name === null ? null : (calendars?.get(name) ?? null)
  })
  return found.every((calendar) => calendar !== null) ? found : null
}

/** The first moment from `at` on at which the queue's own hours and those of one of its teams meet. */
function nextOpen({ own, teams }: Hours, at: Date): Date | null {
  let from = at
  for (let turn = 0; turn < TURNS; turn++) {
    const ours = own === null ? from : own.nextOpen(from)
    if (ours === null) return null
    const theirs = teams === null ? ours : earliest(teams.map((team) => team.nextOpen(ours)))
    if (theirs === null || theirs.getTime() === ours.getTime()) return theirs
    from = theirs
  }
  return null
}

function earliest(times: readonly (Date | null)[]): Date | null {
  let first: Date | null = null
  for (const time of times) if (time !== null && (first === null || time < first)) first = time
  return first
}
