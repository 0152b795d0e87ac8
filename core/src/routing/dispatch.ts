import type { Transaction } from 'kysely'
import type { Config, QueueConfig } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { readCandidates, type KnownAgents } from './agent-store.js'
import { among } from './among.js'
import { insertTraces, lockQueued, lockQueues, writeChanges } from './dispatch-store.js'
import { readFairShares } from './fair-share.js'
import { count, fits, lockLoads, writeLoads } from './load-store.js'
import { makeOffers, type MakeOfferDeps } from './make-offers.js'
import { createMatcher, SMALLEST, type Match } from './match.js'
import { scan } from './scan.js'
import { isRoomy } from './selection.js'
import type { Shifts } from './shifts.js'
import { transact, type TransactDeps } from './transact.js'
import { SYSTEM } from './work-events.js'

export interface DispatchDeps extends TransactDeps, MakeOfferDeps {
  readonly config: Config
  readonly shifts: Pick<Shifts, 'allowsAt'>
  /** Kept from pass to pass by whoever runs them. */
  readonly known: KnownAgents
}

export interface PassResult {
  readonly offered: number
  /** Queues that another dispatcher has. */
  readonly busy: readonly string[]
  /** There is or may be more to do at once in the others. */
  readonly more: boolean
}

/** Offers a transaction: enough to keep the cost of a transaction small, few enough to keep its locks short. */
const BATCH = 100
const CHANGES = 500

/**
 * One pass over some queues: their best items that fit, in one order, matched against one snapshot of the agents, written as
 * one set. Locks: the queues' advisory locks (only tried, so in any order), items by id (those in use are passed over), loads
 * by agent. Capacity is decided again on the locked rows; what no longer fits stays queued for the next pass. Where a pass is
 * not thorough it ends when everybody is full.
 */
export async function dispatchQueues(
  deps: DispatchDeps,
  names: readonly string[],
  thorough: ReadonlySet<string> = new Set(names),
): Promise<PassResult> {
  return transact(deps, async (trx, emit) => {
    const { locked, busy, now } = await lockQueues(trx, names)
    if (locked.length === 0) return { offered: 0, busy, more: false }
    const candidates = await readCandidates(trx, null, deps.known)
    const queues = new Map<string, QueueConfig>(deps.config.queues.map((one) => [one.id, one]))
    const matcher = createMatcher({
      queues,
      defaultQueue: deps.config.defaultQueue,
      candidates,
      now: now.getTime(),
      shares: await readFairShares(trx, locked, queues, candidates),
      allows: deps.shifts.allowsAt(now),
    })
    const room = () => candidates.some((one) => isRoomy(one, SMALLEST, queues.values()))
    const limits = { offers: BATCH, changes: CHANGES }
    const found = await scan(trx, { queues: locked, matcher, room, thorough, among: among(queues), ...limits })
    if (found.matches.length === 0) return { offered: 0, busy, more: false }
    const written = await write(trx, deps, found.matches, queues, emit)
    return { offered: written.offered, busy, more: found.cut || written.again }
  })
}

async function write(
  trx: Transaction<Tables>,
  deps: DispatchDeps,
  matches: readonly Match[],
  queues: ReadonlyMap<string, QueueConfig>,
  emit: (events: readonly NewEvent[]) => void,
): Promise<{ readonly offered: number; readonly again: boolean }> {
  const epochs = await lockQueued(
    trx,
    matches.map((match) => match.row.id),
  )
  const ours = matches.filter((match) => epochs.has(match.row.id))
  const changes = ours.flatMap((match) => match.change ?? [])
  if (changes.length > 0) {
    await writeChanges(trx, changes)
    emit(ours.filter(becameLost).map(noRoute))
  }
  emit(ours.flatMap(alertOf))
  const opened = changes.some((change) => change.addQueues.length > 0)
  const chosen = ours.flatMap((match) =>
    match.candidate === null
      ? []
      : [match.candidate, ...match.others].map((candidate) => ({ ...match, candidate, first: match.candidate })),
  )
  const loads = await lockLoads(
    trx,
    chosen.map((match) => match.candidate.agent),
  )
  const sure = chosen.filter(({ row, candidate, first, over }) => {
    const load = loads.get(candidate.agent)
    const most = candidate.perChannelMax[row.channelKind]
    const interruptible = queues.get(row.queue)?.interruptible
    // One item over the capacity, and not one more.
    const units = over && candidate === first ? 0 : row.units
    if (load === undefined || !fits(load, row.channelKind, units, most, interruptible)) return false
    load.reserved += row.units
    count(load, row.channelKind, 1)
    return true
  })
  if (sure.length === 0) return { offered: 0, again: opened }
  await writeLoads(trx, loads.values())
  const proposals = sure.map(({ row, candidate, trace, translate }) => ({
    item: row.id,
    conversation: row.conversation,
    agent: candidate.agent,
    epoch: epochs.get(row.id) ?? 0,
    units: row.units,
    channel: row.channel,
    channelKind: row.channelKind,
    queue: row.queue,
    priority: row.priority,
    seconds: queues.get(row.queue)?.offerSeconds ?? 30,
    reason: trace.reason,
    broadcast: queues.get(row.queue)?.offer === 'broadcast',
    translate,
  }))
  emit(await makeOffers(trx, deps, proposals, SYSTEM))
  const traces = sure.map(({ row, candidate, trace, step }) => ({
    id: deps.ids(),
    conversation: row.conversation,
    item: row.id,
    version: row.planVersion,
    reason: trace.reason,
    facts: { step, queue: row.queue, extraQueues: row.extraQueues, units: row.units },
    candidates: { chosen: candidate.agent, passedOver: trace.passedOver },
  }))
  await insertTraces(trx, traces)
  return { offered: sure.length, again: opened }
}

function becameLost(match: Match): boolean {
  return match.change?.reason === 'no_route' && match.row.reason !== 'no_route'
}

/** For supervisors. `all_declined`: whoever could be asked said no. `unattended`: all steps are used, nobody can be asked. */
function alertOf({ row, alert, step }: Match): readonly NewEvent[] {
  if (alert === null) return []
  const data = { item: row.id, queue: row.queue, channelKind: row.channelKind, reason: alert, step }
  return [{ type: 'routing.alert', conversation: row.conversation, actor: SYSTEM.actor, data }]
}

function noRoute({ row }: Match): NewEvent {
  return {
    type: 'routing.noRoute',
    conversation: row.conversation,
    actor: SYSTEM.actor,
    data: { item: row.id, queue: row.queue, channelKind: row.channelKind },
  }
}
