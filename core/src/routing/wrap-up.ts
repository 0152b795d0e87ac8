import type { Transaction } from 'kysely'
import type { Config } from '../config/contract.js'
import type { NewEvent } from '../events/contract.js'
import type { Jobs } from '../jobs/contract.js'
import type { Tables } from '../store/tables.js'
import { transact, type TransactDeps } from './transact.js'
import { SYSTEM, workEvent, type Cause } from './work-events.js'
import type { Item } from './work-store.js'
import { lockWrapped, setWrapped, setWrapping, takeUpAgain } from './wrap-store.js'

type Trx = Transaction<Tables>

export interface WrapDeps {
  readonly config: Pick<Config, 'queues'>
  readonly jobs: Pick<Jobs, 'add'>
}

/** A job's name: a hint that a wrap-up is over. */
export const WRAP_TASK = 'work.wrap'
/** A moment late, so that the job does not come before the row's own time. */
const LATE_MS = 20
const PAGE = 500

/** What an agent completes has a wrap-up, where the queue says so; what the engine ends has none. */
export function wrapUpSeconds({ config }: Pick<WrapDeps, 'config'>, item: Item, by: Cause): number {
  if (by.actor.kind !== 'agent') return 0
  return config.queues.find((queue) => queue.id === item.queue)?.wrapUpSeconds ?? 0
}

/** The item's lock is held. Units stay held until the database's clock says that the time is over. */
export async function beginWrap(
  trx: Trx,
  deps: WrapDeps,
  item: Item,
  how: { readonly seconds: number; readonly disposition: string | null; readonly by: Cause },
): Promise<readonly NewEvent[]> {
  const until = await setWrapping(trx, item.id, how.seconds, how.disposition)
  const runAt = new Date(until.getTime() + LATE_MS)
  await deps.jobs.add(trx, [{ task: WRAP_TASK, payload: {}, key: `wrap:${item.id}`, runAt }])
  const { disposition } = how
  return [workEvent('work.wrapping', item, how.by, { agent: item.assignee, until: until.toISOString(), disposition })]
}

/** The items' locks are held. Locks: offers, loads. Acts once: only what is `wrapping` ends. */
export async function finishWraps(
  trx: Trx,
  items: readonly string[],
  by: Cause,
  disposition: string | null = null,
): Promise<readonly NewEvent[]> {
  const ended = await setWrapped(trx, items, disposition)
  return ended.map((item) =>
    workEvent('work.completed', item, by, { outcome: 'done', agent: item.agent, disposition: item.disposition }),
  )
}

/**
 * Ends what has been wrapped up long enough, whether or not the agent's console is there; what the customer has written to
 * meanwhile is the same agent's work again. Locks: items by id (those in use are left), offers, loads.
 */
export async function endWraps(
  deps: TransactDeps & { readonly wake: (queues: readonly string[]) => void },
  signal?: AbortSignal,
): Promise<void> {
  for (let more = true; more && signal?.aborted !== true;) {
    const found = await transact(deps, async (trx, emit) => {
      const due = await lockWrapped(trx, PAGE)
      if (due.length === 0) return 0
      const ids = (again: boolean) => due.filter((item) => item.again === again).map((item) => item.id)
      emit(await finishWraps(trx, ids(false), SYSTEM))
      const back = await takeUpAgain(trx, ids(true))
      emit(
        back.map((item) =>
          workEvent('work.assigned', item, SYSTEM, {
            agent: item.assignee,
            offerId: item.offer,
            from: item.assignee,
            resumed: true,
          }),
        ),
      )
      return due.length
    })
    if (found > 0) deps.wake([])
    more = found === PAGE
  }
}
