import type { Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import { ensureLoad, hasWork } from './agent-store.js'
import type { PresenceService, WorkContext } from './contract.js'
import { handBack } from './hand-back.js'
import { closePending, pendingOfAgents } from './offer-store.js'
import {
  applyAvailability,
  closeSession,
  lockPresence,
  markLapsed,
  openSession,
  readPresence,
  resetMisses,
  sessionAgent,
  writeFinishing,
  writeFrozen,
  writePresence,
  type PresenceChange,
  type PresenceRow,
} from './presence-store.js'
import { resolveStatus } from './statuses.js'
import { transact, type TransactDeps } from './transact.js'
import { closedEvents, SYSTEM, type Cause } from './work-events.js'

export interface PresenceDeps extends TransactDeps {
  readonly config: Config
  readonly ids: Ids
  /** Id of this node's row in `node`. */
  readonly node: string
  readonly wake: (queues?: readonly string[]) => void
  /** To all nodes, at most once. */
  readonly publish: (topic: string, data: Readonly<Record<string, unknown>>) => void
}

/** P4 gives 45 s to the whole way from a dead node to its work moving on: the lease and a sweep fit into it. */
export const LEASE_S = 35
/** Silence of the connection after which pending offers go to others. */
export const GRACE_S = 30
/** Real-time work moves on, and the connection counts as lost. */
export const LOST_S = 60

type Trx = Transaction<Tables>
type Why = 'away' | 'connection_lost' | 'signed_off' | 'frozen'

/** What a change means for the agent's work. */
export interface PresenceOutcome {
  /** Why offers the agent has not answered go to others; null: they stay. */
  readonly rescind: Why | null
  readonly events?: readonly NewEvent[]
  /** Queues that got work back. */
  readonly queues?: readonly string[]
}

/** A dispatcher reserved between our look at the offers and our lock on the load. */
class Overtaken extends Error {}
const TRIES = 10

/**
 * One change of presence: sessions or status, then availability, then what the agent can no longer answer. All of it is one
 * transaction under the agent's presence lock.
 */
export async function changePresence(
  deps: PresenceDeps,
  agent: string,
  change: (trx: Trx, before: PresenceRow) => Promise<PresenceOutcome>,
  by: Cause = SYSTEM,
  within?: WorkContext['within'],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const changed = await transact(deps, (trx, emit) => attempt(trx, emit), within)
      deps.publish('agent.presence', { agent, ...changed.shown })
      if (changed.accepting) deps.wake()
      else if (changed.freed.length > 0) deps.wake(changed.freed)
      return
    } catch (error) {
      if (!(error instanceof Overtaken) || tries >= TRIES) throw error
    }
  }

  async function attempt(trx: Trx, emit: (events: readonly NewEvent[]) => void) {
    const before = await lockPresence(trx, agent)
    if (before === null)
      throw new ThroughlineError('TL_COMMAND_NOT_FOUND', `there is no agent ${agent}; check the id`, {
        details: { agent },
      })
    await ensureLoad(trx, [agent], deps.config)
    const { rescind, events, queues } = await change(trx, before)
    const freed: string[] = [...(queues ?? [])]
    if (events !== undefined && events.length > 0) emit(events)
    if (rescind !== null) {
      const offers = await pendingOfAgents(trx, [agent])
      const closed = await closePending(trx, { offers, state: 'rescinded', reason: rescind })
      emit(closedEvents('offer.rescinded', closed, rescind, by))
      freed.push(...closed.map((offer) => offer.queue))
    }
    const { accepting, connected } = await applyAvailability(trx, agent, deps.ids())
    // From here on nobody reserves on this agent; an offer made a moment before has become visible now.
    if (rescind !== null && (await pendingOfAgents(trx, [agent])).length > 0) throw new Overtaken()
    const after = await lockPresence(trx, agent)
    const { status, label, reason, source, finishingTo, frozen } = after ?? before
    return { accepting, freed, shown: { status, label, reason, source, finishingTo, frozen, connected } }
  }
}

export interface StatusOptions {
  /** No new offers; the status follows when the work in hand is done. Only towards away, wrap and offline. */
  readonly finish?: boolean
  /** Kinds of channel whose work goes back to the queues in the same transaction; null: all. */
  readonly handBack?: readonly string[] | null
}

/**
 * Status by the agent, the schedule, a supervisor or the miss policy. Away with an open offer gives it to somebody else at
 * once; what the agent has accepted stays with them unless it is handed back.
 */
export async function setStatus(
  deps: PresenceDeps,
  agent: string,
  to: PresenceChange,
  by: Cause,
  within?: WorkContext['within'],
  options: StatusOptions = {},
): Promise<void> {
  const taking = to.status === 'online' || to.status === 'busy'
  await changePresence(
    deps,
    agent,
    async (trx, before) => {
      const back =
        options.handBack === undefined ? null : await handBack(trx, agent, options.handBack, 'handed_back', by)
      const finishing = options.finish === true && !taking && (await hasWork(trx, agent))
      if (finishing) await writeFinishing(trx, agent, to)
      else await writePresence(trx, agent, to)
      if (taking) await resetMisses(trx, agent)
      const told = to.source === 'agent' ? [] : [presenceEvent(agent, before, to, by)]
      return {
        rescind: taking || finishing ? null : 'away',
        events: [...(back?.events ?? []), ...told],
        queues: back?.queues ?? [],
      }
    },
    by,
    within,
  )
}

/** Not by the agent: the log keeps who did it. */
function presenceEvent(agent: string, before: PresenceRow, to: PresenceChange, by: Cause): NewEvent {
  const { status, label, reason, source, until } = to
  return {
    type: 'agent.presence',
    agent,
    actor: by.actor,
    cause: by.cause ?? null,
    data: {
      agent,
      status,
      label: label ?? null,
      reason,
      source,
      until: until?.toISOString() ?? null,
      from: before.status,
    },
  }
}

/** A supervisor keeps new work away from an agent, whatever their status says; unanswered offers go to others. */
async function freezeAgent(
  deps: PresenceDeps,
  agent: string,
  on: boolean,
  reason: string | null,
  context: WorkContext,
): Promise<void> {
  await changePresence(
    deps,
    agent,
    async (trx) => {
      await writeFrozen(trx, agent, on ? (context.actor.id ?? context.actor.kind) : null, reason)
      const event: NewEvent = {
        type: on ? 'agent.frozen' : 'agent.thawed',
        agent,
        actor: context.actor,
        cause: context.cause ?? null,
        data: { agent, reason },
      }
      return { rescind: on ? 'frozen' : null, events: [event] }
    },
    context,
    context.within,
  )
}

const NEVER_SEEN = {
  status: 'offline',
  label: null,
  reason: null,
  source: 'system',
  finishingTo: null,
  frozen: false,
} as const satisfies PresenceRow

export function createPresence(
  deps: PresenceDeps,
  beats: { track(id: string, agent: string): void; beat(id: string): void; forget(id: string): void },
): PresenceService {
  return Object.freeze({
    set: async (agent, to, context) =>
      setStatus(
        deps,
        agent,
        {
          ...resolveStatus(to.status, deps.config),
          reason: to.reason ?? null,
          source:
            context.actor.kind === 'agent' ? (context.actor.id === agent ? 'agent' : 'supervisor') : context.actor.kind,
          channels: to.channels ?? null,
          until: to.until ?? null,
        },
        context,
        context.within,
        {
          ...(to.finish === undefined ? {} : { finish: to.finish }),
          ...(to.handBack === undefined ? {} : { handBack: to.handBack === 'all' ? null : to.handBack }),
        },
      ),

    freeze: (agent, on, reason, context) => freezeAgent(deps, agent, on, reason, context),

    async connected(session) {
      await changePresence(deps, session.agent, async (trx) => {
        await openSession(trx, { ...session, node: deps.node, leaseS: LEASE_S })
        return { rescind: null }
      })
      beats.track(session.id, session.agent)
    },

    beat: (id) => beats.beat(id),

    async disconnected(id, bye) {
      beats.forget(id)
      const agent = await sessionAgent(deps.db, id)
      if (agent === null) return
      await changePresence(deps, agent, async (trx) => {
        await closeSession(trx, id)
        await markLapsed(trx, agent)
        const rest = await readPresence(trx, agent)
        return { rescind: bye && rest?.live !== true ? 'signed_off' : null }
      })
    },

    async of(agent) {
      const row = await readPresence(deps.db, agent)
      if (row === null) return { ...NEVER_SEEN, connection: 'lost' }
      const { live, goneS, ...shown } = row
      const grace = goneS !== null && goneS < LOST_S
      return { ...shown, connection: live ? 'connected' : grace ? 'grace' : 'lost' }
    },
  } satisfies PresenceService)
}
