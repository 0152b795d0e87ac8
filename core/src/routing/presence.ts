import type { Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import { ensureLoad } from './agent-store.js'
import type { PresenceService, UnifiedStatus, WorkContext } from './contract.js'
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
  writePresence,
  type PresenceChange,
} from './presence-store.js'
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
type Why = 'away' | 'connection_lost' | 'signed_off'

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
  change: (trx: Trx, before: { readonly status: UnifiedStatus }) => Promise<{ readonly rescind: Why | null }>,
  by: Cause = SYSTEM,
  within?: WorkContext['within'],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const changed = await transact(deps, (trx, emit) => attempt(trx, emit), within)
      deps.publish('presence', { agent, ...changed.shown })
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
    const { rescind } = await change(trx, before)
    const freed: string[] = []
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
    return { accepting, freed, shown: { status: after?.status, reason: after?.reason ?? null, connected } }
  }
}

/** Status by the agent, a supervisor or the miss policy. Away with an open offer gives it to somebody else at once. */
export async function setStatus(
  deps: PresenceDeps,
  agent: string,
  to: PresenceChange,
  by: Cause,
  within?: WorkContext['within'],
): Promise<void> {
  const taking = to.status === 'online' || to.status === 'busy'
  await changePresence(
    deps,
    agent,
    async (trx) => {
      await writePresence(trx, agent, to)
      if (taking) await resetMisses(trx, agent)
      return { rescind: taking ? null : 'away' }
    },
    by,
    within,
  )
}

export function createPresence(
  deps: PresenceDeps,
  beats: { track(id: string, agent: string): void; beat(id: string): void; forget(id: string): void },
): PresenceService {
  return Object.freeze({
    set: (agent, to, context) =>
      setStatus(
        deps,
        agent,
        {
          status: to.status,
          reason: to.reason ?? null,
          source:
            context.actor.kind === 'agent' ? (context.actor.id === agent ? 'agent' : 'supervisor') : context.actor.kind,
          channels: to.channels ?? null,
          until: to.until ?? null,
        },
        context,
        context.within,
      ),

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
      if (row === null) return { status: 'offline', reason: null, connection: 'lost' }
      const grace = row.goneS !== null && row.goneS < LOST_S
      return { status: row.status, reason: row.reason, connection: row.live ? 'connected' : grace ? 'grace' : 'lost' }
    },
  } satisfies PresenceService)
}
