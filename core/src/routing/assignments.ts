import type { Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { ensureLoad, workingAgent } from './agent-store.js'
import type { WorkContext } from './contract.js'
import { endWork, freeItem } from './end-work.js'
import type { QueueHours } from './hours.js'
import { toInput } from './intake.js'
import { count, fits, lockLoads, writeLoads } from './load-store.js'
import { makeOffers, type MakeOfferDeps } from './make-offers.js'
import { insertOffers } from './offer-store.js'
import { databaseNow } from './opening-store.js'
import { transact, type TransactDeps } from './transact.js'
import { SYSTEM, workEvent, type Cause } from './work-events.js'
import {
  currentChannel,
  insertItems,
  lockConversation,
  lockLiveItem,
  place,
  requeue,
  setAssigned,
  type ConversationRow,
  type Item,
} from './work-store.js'

export interface AssignmentDeps extends TransactDeps, MakeOfferDeps {
  readonly config: Config
  readonly hours: QueueHours
  readonly wake: (queues: readonly string[]) => void
}

type Trx = Transaction<Tables>
/** Who gives a conversation away does not get it back at once. */
const GIVER_EXCLUDED_S = 120

export async function completeWork(
  deps: AssignmentDeps,
  conversation: string,
  disposition: string | null,
  context: WorkContext,
): Promise<void> {
  await transact(
    deps,
    async (trx, emit) => {
      await lockExisting(trx, conversation)
      emit(await endWork(trx, deps, conversation, 'done', context, { disposition, early: true }))
    },
    context.within,
  )
  deps.wake([])
}

/** Back to the queue it came from, at the place it had. */
export async function releaseWork(deps: AssignmentDeps, conversation: string, context: WorkContext): Promise<void> {
  await transact(
    deps,
    async (trx, emit) => {
      await lockExisting(trx, conversation)
      const item = await lockLiveItem(trx, conversation)
      if (item?.assignee == null) throw conflict(`conversation ${conversation} is not assigned to anybody`)
      const freed = await freeItem(
        trx,
        item,
        { accepted: 'released', pending: 'rescinded', reason: 'released' },
        context,
      )
      await requeue(trx, item.id, { exclude: { agent: item.assignee, seconds: GIVER_EXCLUDED_S } })
      const version = await place(trx, conversation, { queue: item.queue, assignee: null })
      emit([
        ...freed.events,
        workEvent('work.unassigned', item, context, { agent: item.assignee, reason: 'released', version }),
        workEvent('work.queued', item, context, { after: 'work.unassigned' }),
      ])
    },
    context.within,
  )
  deps.wake([])
}

/** The agent's connection is gone and the customer waits: back to the queue, ten minutes ahead. Acts once, by assignee:
 * true where it did. */
export async function releaseLost(
  deps: AssignmentDeps,
  conversation: string,
  agent: string,
  reason: 'connection_lost' | 'owner_absent' = 'connection_lost',
): Promise<boolean> {
  const queue = await transact(deps, async (trx, emit) => {
    await lockConversation(trx, conversation)
    const item = await lockLiveItem(trx, conversation)
    if (item?.assignee !== agent) return null
    const freed = await freeItem(trx, item, { accepted: 'released', pending: 'rescinded', reason }, SYSTEM)
    await requeue(trx, item.id, { returned: true })
    const version = await place(trx, conversation, { queue: item.queue, assignee: null })
    emit([
      ...freed.events,
      workEvent('work.unassigned', item, SYSTEM, { agent, reason, version }),
      workEvent('work.queued', item, SYSTEM, { after: 'work.unassigned' }),
    ])
    return item.queue
  })
  if (queue !== null) deps.wake([])
  return queue !== null
}

/** To a queue: waits there at the place it had. To an agent: an offer, if the agent is connected and has room. */
export async function transferWork(
  deps: AssignmentDeps,
  conversation: string,
  to: { readonly agent: string } | { readonly queue: string },
  note: string | null,
  context: WorkContext,
): Promise<void> {
  if ('queue' in to && !deps.config.queues.some((queue) => queue.id === to.queue)) {
    throw new ThroughlineError('TL_COMMAND_INVALID', `there is no queue "${to.queue}"; choose one of /v1/queues`, {
      details: { path: 'to.queue' },
    })
  }
  await transact(
    deps,
    async (trx, emit) => {
      const found = await lockExisting(trx, conversation)
      const item = await liveOrNew(trx, deps, found, emit)
      const target = 'agent' in to ? to.agent : null
      const how = {
        accepted: 'transferred',
        pending: 'rescinded',
        reason: 'transferred',
        also: target === null ? [] : [target],
      } as const
      const freed = await freeItem(trx, item, how, context)
      emit(freed.events)
      const giver = freed.holder ?? (context.actor.kind === 'agent' ? context.actor.id : null)
      const queue = 'queue' in to ? to.queue : item.queue
      const exclude = giver === null ? {} : { exclude: { agent: giver, seconds: GIVER_EXCLUDED_S } }
      // An agent may be there after hours; a queue is not.
      const placing =
        'queue' in to && deps.hours.bounded(queue) ? deps.hours.place({ queue }, await databaseNow(trx)) : null
      await requeue(trx, item.id, {
        ...('queue' in to ? { queue } : {}),
        ...exclude,
        ...(placing === null ? {} : { extraQueues: placing.extraQueues }),
        ...(placing?.held == null ? {} : { held: placing.held }),
      })
      const version = await place(trx, conversation, { queue, assignee: null })
      const moved = { ...item, queue }
      emit([workEvent('work.transferred', moved, context, { from: freed.holder, to, note, version })])
      if (placing?.held != null) {
        const { reason, until } = placing.held
        emit([workEvent('work.held', moved, context, { reason, until: until?.toISOString() ?? null })])
      } else if (target === null) emit([workEvent('work.queued', moved, context, { after: 'work.transferred' })])
      else emit(await offerTo(trx, deps, moved, target, context))
    },
    context.within,
  )
  // Who gave it away has room again.
  deps.wake([])
}

/** An agent takes the conversation; with `force` (supervisors) from anybody and above capacity. */
export async function claimWork(
  deps: AssignmentDeps,
  conversation: string,
  agent: string,
  context: WorkContext & { readonly force?: boolean },
): Promise<void> {
  const force = context.force === true
  await transact(
    deps,
    async (trx, emit) => {
      const found = await lockExisting(trx, conversation)
      if ((await workingAgent(trx, agent)) === null) throw unknownAgent(agent)
      await ensureLoad(trx, [agent], deps.config)
      const item = await liveOrNew(trx, deps, found, emit)
      if (item.assignee === agent) return
      if (item.assignee !== null && !force) throw conflict(`conversation ${conversation} belongs to ${item.assignee}`)
      const how = { accepted: 'transferred', pending: 'rescinded', reason: 'taken', also: [agent] } as const
      const freed = await freeItem(trx, item, how, context)
      const loads = await lockLoads(trx, [agent])
      const load = loads.get(agent)
      if (load === undefined) throw unknownAgent(agent)
      if (!force && load.reserved + load.active + item.units > load.capacity) {
        throw conflict(`agent ${agent} has no room: ${load.reserved + load.active} of ${load.capacity} are in use`)
      }
      load.active += item.units
      load.assigned = true
      count(load, item.channelKind, 1)
      await writeLoads(trx, loads.values())
      const id = deps.ids()
      const offer = {
        id,
        item: item.id,
        conversation,
        agent,
        state: 'accepted',
        epoch: item.epoch + 1,
        units: item.units,
      } as const
      await insertOffers(trx, [
        {
          ...offer,
          channelKind: item.channelKind,
          forced: force,
          reason: 'claimed',
          seconds: 0,
          newIn: force ? null : item.queue,
        },
      ])
      await setAssigned(trx, item.id, agent)
      const version = await place(trx, conversation, { queue: item.queue, assignee: agent })
      emit([
        ...freed.events,
        workEvent('work.assigned', item, context, { agent, offerId: id, from: freed.holder, forced: force, version }),
      ])
    },
    context.within,
  )
  deps.wake([])
}

async function offerTo(
  trx: Trx,
  deps: AssignmentDeps,
  item: Item,
  agent: string,
  by: Cause,
): Promise<readonly NewEvent[]> {
  const known = await workingAgent(trx, agent)
  if (known === null) throw unknownAgent(agent)
  const loads = await lockLoads(trx, [agent])
  const load = loads.get(agent)
  const queue = deps.config.queues.find((one) => one.id === item.queue)
  const most = known.perChannelMax[item.channelKind]
  if (load === undefined || !fits(load, item.channelKind, item.units, most, queue?.interruptible)) {
    throw conflict(`agent ${agent} is not available or has no room; transfer to a queue instead`)
  }
  load.reserved += item.units
  count(load, item.channelKind, 1)
  await writeLoads(trx, loads.values())
  const seconds = queue?.offerSeconds ?? 30
  return makeOffers(
    trx,
    deps,
    [{ ...item, item: item.id, agent, epoch: item.epoch + 1, seconds, reason: 'transferred' }],
    by,
  )
}

/** Work that begins by hand: a conversation nobody has to handle now gets an item. */
async function liveOrNew(
  trx: Trx,
  deps: AssignmentDeps,
  conversation: ConversationRow,
  emit: (events: readonly NewEvent[]) => void,
): Promise<Item> {
  const live = await lockLiveItem(trx, conversation.id)
  if (live !== null) return live
  if (conversation.status === 'joined') throw conflict(`conversation ${conversation.id} was joined into another`)
  const channel = await currentChannel(trx, conversation.id)
  const known = deps.config.channels.find((one) => one.id === channel)
  const plan = { queue: conversation.queue ?? deps.config.defaultQueue, priority: 'normal' } as const
  const made = {
    id: deps.ids(),
    conversation: conversation.id,
    channel: channel ?? 'none',
    channelKind: known?.kind ?? 'messaging',
  } as const
  const input = toInput({ ...made, plan, planVersion: 'by hand', held: null, preferred: [] }, deps.config)
  const [item] = await insertItems(trx, [input])
  if (item === undefined) throw conflict(`conversation ${conversation.id} is being routed at this moment; try again`)
  emit([workEvent('work.queued', item, { actor: { kind: 'system', id: null } })])
  return item
}

async function lockExisting(trx: Trx, id: string): Promise<ConversationRow> {
  const found = await lockConversation(trx, id)
  if (found !== null) return found
  throw new ThroughlineError('TL_COMMAND_NOT_FOUND', `there is no conversation ${id}; check the id`, {
    details: { conversation: id },
  })
}

function conflict(message: string): ThroughlineError {
  return new ThroughlineError('TL_COMMAND_CONFLICT', message)
}

function unknownAgent(agent: string): ThroughlineError {
  return new ThroughlineError(
    'TL_COMMAND_NOT_FOUND',
    `there is no agent ${agent} who takes conversations; check the id`,
    { details: { agent } },
  )
}
