import { CLOSED, type QueueHours } from './hours.js'
import { databaseNow, openDueItems } from './opening-store.js'
import { transact, type TransactDeps } from './transact.js'
import { SYSTEM, workEvent } from './work-events.js'

/** A job's name: a hint that a queue opens. */
export const OPEN_TASK = 'work.open'

const PAGE = 1000

/** Lets held items in whose time has come, and holds those on that meet a closed queue. Answers the queues to wake. */
export async function openQueues(
  deps: TransactDeps & { readonly hours: QueueHours },
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const woken = new Set<string>()
  for (;;) {
    const moved = await transact(deps, async (trx, emit) => {
      const moment = deps.hours.all(await databaseNow(trx)).map(({ queue, held, extraQueues }) => ({
        queue,
        closed: held !== null,
        until: held?.until?.toISOString() ?? null,
        extraQueues,
      }))
      const items = await openDueItems(trx, moment, PAGE)
      emit(
        items.flatMap((item) => {
          if (item.state === 'queued') return [workEvent('work.queued', item, SYSTEM, { after: 'work.held' })]
          if (item.waited === CLOSED) return []
          return [workEvent('work.held', item, SYSTEM, { reason: CLOSED, until: item.until?.toISOString() ?? null })]
        }),
      )
      return items
    })
    for (const item of moved) if (item.state === 'queued') woken.add(item.queue)
    if (moved.length < PAGE || signal?.aborted === true) return [...woken]
  }
}
