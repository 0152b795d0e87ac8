import type { Config } from '../config/contract.js'
import { ThroughlineError } from '../errors.js'
import type { NewEvent } from '../events/contract.js'
import type { SupervisionService, WorkContext } from './contract.js'
import type { QueueHours } from './hours.js'
import { databaseNow } from './opening-store.js'
import {
  drainedQueues,
  lockQueueRow,
  moveRank,
  moveWaiting,
  watchersOf,
  writeDrain,
  writeWatch,
} from './supervision-store.js'
import { transact, type TransactDeps } from './transact.js'
import { SYSTEM, workEvent } from './work-events.js'
import { lockConversation, lockLiveItem } from './work-store.js'

export interface SupervisionDeps extends TransactDeps {
  readonly config: Config
  readonly hours: QueueHours
  readonly wake: (queues?: readonly string[]) => void
}

const PAGE = 500

/** What leads do to queues and to conversations that are not theirs. Every act leaves an event with its author. */
export function createSupervision(deps: SupervisionDeps): SupervisionService {
  return Object.freeze({
    reorder: (conversation, headStartS, reason, context) => reorder(deps, conversation, headStartS, reason, context),
    drain: (queue, to, reason, context) => drain(deps, queue, to, reason, context),
    resume: (queue, context) => resume(deps, queue, context),
    watch: (conversation, mode, on, context) => watch(deps, conversation, mode, on, context),
    watchers: (conversation) => watchersOf(deps.db, conversation),
  } satisfies SupervisionService)
}

async function reorder(
  deps: SupervisionDeps,
  conversation: string,
  headStartS: number,
  reason: string,
  context: WorkContext,
): Promise<void> {
  const queue = await transact(
    deps,
    async (trx, emit) => {
      const item = await lockLiveItem(trx, conversation)
      if (item === null || item.assignee !== null) {
        throw new ThroughlineError(
          'TL_COMMAND_CONFLICT',
          'this conversation does not wait; only what waits has a place',
        )
      }
      const rank = await moveRank(trx, item.id, headStartS)
      emit([workEvent('work.reordered', item, context, { headStartS, reason, rankAt: rank?.toISOString() ?? null })])
      return item.queue
    },
    context.within,
  )
  deps.wake([queue])
}

async function drain(
  deps: SupervisionDeps,
  queue: string,
  wanted: string | null,
  reason: string,
  context: WorkContext,
): Promise<{ readonly to: string }> {
  const known = deps.config.queues.find((one) => one.id === queue)
  const to = wanted ?? known?.overflow ?? deps.config.defaultQueue
  if (known === undefined || !deps.config.queues.some((one) => one.id === to)) {
    throw new ThroughlineError(
      'TL_COMMAND_NOT_FOUND',
      `there is no queue ${known === undefined ? queue : to}; see /v1/queues`,
    )
  }
  if (to === queue) {
    throw new ThroughlineError('TL_COMMAND_INVALID', `/to must name another queue than "${queue}"`, {
      details: { path: '/to' },
    })
  }
  await transact(
    deps,
    async (trx, emit) => {
      const row = await lockQueueRow(trx, queue)
      const target = await lockQueueRow(trx, to)
      if (row === null || target === null) {
        throw new ThroughlineError('TL_COMMAND_NOT_FOUND', `there is no queue ${row === null ? queue : to}`)
      }
      if (target.drainedTo !== null) {
        throw new ThroughlineError('TL_COMMAND_CONFLICT', `queue ${to} is drained itself, to ${target.drainedTo}`)
      }
      await writeDrain(trx, queue, { queue: to, by: context.actor.id, reason })
      emit([queueEvent('queue.drained', context, { queue, to, reason })])
    },
    (trx) => context.within?.(trx, { to }) ?? Promise.resolve(),
  )
  await moveDrained(deps)
  return { to }
}

async function resume(deps: SupervisionDeps, queue: string, context: WorkContext): Promise<void> {
  await transact(
    deps,
    async (trx, emit) => {
      const row = await lockQueueRow(trx, queue)
      if (row === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', `there is no queue ${queue}; see /v1/queues`)
      if (row.drainedTo === null) return
      await writeDrain(trx, queue, null)
      emit([queueEvent('queue.resumed', context, { queue, to: row.drainedTo })])
    },
    context.within,
  )
}

/** What waits in drained queues goes on: at once when a queue is drained, and with every sweep what came since. */
export async function moveDrained(deps: SupervisionDeps, signal?: AbortSignal): Promise<void> {
  for (const { queue, to } of await drainedQueues(deps.db)) {
    for (let moved = PAGE; moved === PAGE && signal?.aborted !== true;) {
      moved = await transact(deps, async (trx, emit) => {
        const placing = deps.hours.place({ queue: to }, await databaseNow(trx))
        const items = await moveWaiting(trx, { queue, to, limit: PAGE }, placing.held)
        emit(
          items.map((item) =>
            workEvent(item.state === 'held' ? 'work.held' : 'work.queued', item, SYSTEM, {
              after: 'queue.drained',
              from: queue,
              version: item.version,
            }),
          ),
        )
        return items.length
      })
      if (moved > 0) deps.wake([to])
    }
  }
}

async function watch(
  deps: SupervisionDeps,
  conversation: string,
  mode: 'monitor' | 'barge',
  on: boolean,
  context: WorkContext,
): Promise<void> {
  const agent = context.actor.id
  if (agent === null) throw new ThroughlineError('TL_COMMAND_INVALID', 'only a person can watch a conversation')
  await transact(
    deps,
    async (trx, emit) => {
      if ((await lockConversation(trx, conversation)) === null) {
        throw new ThroughlineError('TL_COMMAND_NOT_FOUND', `there is no conversation ${conversation}; check the id`)
      }
      if (!(await writeWatch(trx, { conversation, agent, mode, on }))) return
      const event: NewEvent = {
        type: !on ? 'conversation.left' : mode === 'monitor' ? 'conversation.monitored' : 'conversation.barged',
        conversation,
        // Listening in is for supervisors to see; who joins is seen by all.
        agent: on && mode === 'monitor' ? agent : null,
        actor: context.actor,
        cause: context.cause ?? null,
        data: { agent, mode },
      }
      emit([event])
    },
    context.within,
  )
}

function queueEvent(
  type: 'queue.drained' | 'queue.resumed',
  context: WorkContext,
  data: Readonly<Record<string, unknown>>,
): NewEvent {
  return { type, actor: context.actor, cause: context.cause ?? null, data }
}
