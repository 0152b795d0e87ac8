import type { PlanStep } from '@throughline/plugin-sdk'
import type { SelectionMode } from '../config/contract.js'
import { hash32 } from './hash.js'
import { EXCLUSIVE, REAL_TIME, unitsInUse } from './units.js'

/** An agent as one pass of the dispatcher sees them. Loads are mutable: a pass fills agents up as it goes. */
export interface Candidate {
  readonly agent: string
  readonly teams: readonly string[]
  readonly skills: Readonly<Record<string, number>>
  readonly languages: Readonly<Record<string, string>>
  readonly perChannelMax: Readonly<Record<string, number>>
  readonly capacity: number
  reserved: number
  readonly active: number
  readonly byChannel: Record<string, number>
  readonly lastAssignedAt: Date | null
  readonly status: string
  readonly channels: Readonly<Record<string, boolean>>
  /** Connected, and of a status that takes work. */
  readonly available: boolean
}

/** One way to qualify. Whoever meets any of an item's ways may have it. */
export interface Requirement {
  readonly teams: readonly string[]
  readonly skills: Readonly<Record<string, number>>
  readonly languages: Readonly<Record<string, string>>
}

export interface QueueNeeds {
  readonly teams: readonly string[]
  readonly skills: Readonly<Record<string, number>>
}

const CEFR = ['A1', 'A2', 'B1', 'B2', 'C1', 'C2']

/**
 * Everybody who was asked in an earlier step stays in; queues added by overflow add their own teams and skills. What the
 * queue itself demands is hard and never drops.
 */
export function requirements(
  queues: readonly QueueNeeds[],
  steps: readonly PlanStep[],
  step: number,
): readonly Requirement[] {
  const rings = steps.length === 0 ? [{}] : steps.slice(0, step + 1)
  let soft: Readonly<Record<string, number>> = {}
  const wanted = rings.map((ring: PlanStep) => {
    const dropped = new Set(ring.drop)
    const base = ring.skills ?? (ring.drop === undefined ? {} : soft)
    soft = Object.fromEntries(Object.entries(base).filter(([skill]) => !dropped.has(skill)))
    return { teams: ring.teams, skills: soft, languages: ring.languages ?? {} }
  })
  return queues.flatMap((queue) =>
    wanted.map(({ teams, skills, languages }) => ({
      teams: teams ?? queue.teams,
      skills: stricter(queue.skills, skills),
      languages,
    })),
  )
}

/** A queue as an item sees it that demands skills of its own: these never drop, either. */
export function demanding(queue: QueueNeeds, skills: Readonly<Record<string, number>>): QueueNeeds {
  return Object.keys(skills).length === 0 ? queue : { teams: queue.teams, skills: stricter(queue.skills, skills) }
}

function stricter(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const both: Record<string, number> = { ...a }
  for (const [skill, level] of Object.entries(b)) both[skill] = Math.max(level, both[skill] ?? 0)
  return both
}

/** The step that applies after so many seconds in the queue. The last one lasts for ever. */
export function stepAt(steps: readonly PlanStep[], elapsedS: number): number {
  let until = 0
  for (let step = 0; step < steps.length - 1; step++) {
    until += steps[step]?.seconds ?? 0
    if (elapsedS < until || steps[step]?.seconds === undefined) return step
  }
  return Math.max(0, steps.length - 1)
}

function inTeam(candidate: Candidate, way: Requirement): boolean {
  return way.teams.length === 0 || way.teams.some((team) => candidate.teams.includes(team))
}

export function inTeams(candidate: Candidate, ways: readonly Requirement[]): boolean {
  return ways.some((way) => inTeam(candidate, way))
}

export function qualifies(candidate: Candidate, ways: readonly Requirement[]): boolean {
  return ways.some(
    (way) =>
      inTeam(candidate, way) &&
      Object.entries(way.skills).every(([skill, level]) => (candidate.skills[skill] ?? 0) >= level) &&
      Object.entries(way.languages).every(([tag, level]) => speaks(candidate, tag, level)),
  )
}

function speaks(candidate: Candidate, tag: string, level: string): boolean {
  const own = Object.entries(candidate.languages).find(([known]) => known.toLowerCase() === tag.toLowerCase())
  return own !== undefined && CEFR.indexOf(own[1]) >= CEFR.indexOf(level)
}

/** Status and the agent's own choice of channels. `busy` keeps real-time work away, not the rest. */
export function takes(candidate: Candidate, kind: string): boolean {
  if (!candidate.available || candidate.channels[kind] === false) return false
  return candidate.status === 'online' || (candidate.status === 'busy' && !REAL_TIME.includes(kind))
}

export function hasRoom(
  candidate: Candidate,
  kind: string,
  units: number,
  interruptible: readonly string[] = [],
): boolean {
  const most = candidate.perChannelMax[kind]
  if (most !== undefined && (candidate.byChannel[kind] ?? 0) >= most) return false
  // A call is exclusive, whatever the capacity.
  if ((candidate.byChannel[EXCLUSIVE] ?? 0) > 0) return false
  return unitsInUse(candidate, kind, interruptible) + units <= candidate.capacity
}

/** Worth looking at in a pass: room for the smallest piece of work, or for a call that interrupts what they have. */
export function isRoomy(candidate: Candidate, smallest: number, queues: Iterable<InterruptingQueue>): boolean {
  if (!candidate.available) return false
  if (hasRoom(candidate, '', smallest)) return true
  for (const { interruptible = [] } of queues)
    if (interruptible.some((kind) => (candidate.byChannel[kind] ?? 0) > 0)) return true
  return false
}

interface InterruptingQueue {
  readonly interruptible?: readonly string[]
}

/** Not yet over capacity: one item more may be taken by who is to have this one. A call leaves no room for anything. */
export function mayGoOver(candidate: Candidate): boolean {
  return (candidate.byChannel['voice'] ?? 0) === 0 && candidate.reserved + candidate.active <= candidate.capacity
}

export interface Asking {
  readonly mode: SelectionMode
  /** Skills the work asks for: what `best_skill` compares. */
  readonly skills: readonly string[]
}

export interface Waiting {
  readonly id: string
  readonly channelKind: string
  readonly units: number
  readonly preferred: readonly string[]
  /** Agent → until when they are not asked, in milliseconds of the database's clock. */
  readonly excluded: Readonly<Record<string, number>>
  /** Kinds of work that do not count if this is a call. */
  readonly interruptible?: readonly string[]
}

/**
 * The agent to ask, out of those who qualify: preferred ones first, then whoever has not let this item pass before, then by
 * the queue's way of choosing (unless set otherwise the least loaded), the longest without new work, and last a stable
 * draw. null: nobody has room.
 */
export function select(
  item: Waiting,
  qualified: readonly Candidate[],
  now: number,
  asking: Asking = { mode: 'least_loaded', skills: [] },
): Candidate | null {
  const open = qualified.filter(
    (candidate) =>
      (item.excluded[candidate.agent] ?? 0) <= now &&
      hasRoom(candidate, item.channelKind, item.units, item.interruptible),
  )
  for (const name of item.preferred) {
    const preferred = open.find((candidate) => candidate.agent === name)
    if (preferred !== undefined) return preferred
  }
  let best: Candidate | null = null
  for (const candidate of open) if (best === null || before(candidate, best, item, asking)) best = candidate
  return best
}

function before(a: Candidate, b: Candidate, item: Waiting, { mode, skills }: Asking): boolean {
  const passed = Number(a.agent in item.excluded) - Number(b.agent in item.excluded)
  if (passed !== 0) return passed < 0
  if (mode === 'best_skill') {
    const level = (one: Candidate): number => skills.reduce((sum, skill) => sum + (one.skills[skill] ?? 0), 0)
    const better = level(b) - level(a)
    if (better !== 0) return better < 0
  }
  if (mode === 'longest_idle') {
    const busy = Number(a.reserved + a.active > 0) - Number(b.reserved + b.active > 0)
    if (busy !== 0) return busy < 0
  } else if (mode !== 'round_robin') {
    // Compared crosswise, so that equal shares are equal without rounding.
    const load = (a.reserved + a.active) * b.capacity - (b.reserved + b.active) * a.capacity
    if (load !== 0) return load < 0
  }
  const idle = (a.lastAssignedAt?.getTime() ?? 0) - (b.lastAssignedAt?.getTime() ?? 0)
  if (idle !== 0) return idle < 0
  return hash32(`${item.id} ${a.agent}`) < hash32(`${item.id} ${b.agent}`)
}
