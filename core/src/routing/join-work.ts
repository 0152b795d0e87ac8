import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import { freeItem } from './end-work.js'
import { workEvent, type Cause } from './work-events.js'
import { lockLiveItem, lockLiveItems, moveItem, place, setEnded, takeBetterRank, type Item } from './work-store.js'

/** How far an item has come: the one further on survives. */
const PROGRESS: readonly string[] = ['held', 'queued', 'offered', 'assigned', 'wrapping']

/**
 * `from` was joined into `into`, whose rows the caller has locked. One live item survives, with the better place, and at
 * most one offer; the other ends `joined` and its units are released. Locks: items by id, loads by agent.
 */
export async function joinWork(
  trx: Transaction<Tables>,
  from: string,
  into: string,
  by: Cause,
): Promise<readonly NewEvent[]> {
  await lockLiveItems(trx, [from, into])
  const moving = await lockLiveItem(trx, from)
  if (moving === null) return []
  const staying = await lockLiveItem(trx, into)
  if (staying === null) {
    await moveItem(trx, moving.id, into)
    await place(trx, into, moving)
    return [moved(moving, into, by)]
  }
  const movingIsFurther = PROGRESS.indexOf(moving.state) > PROGRESS.indexOf(staying.state)
  const [survivor, other] = movingIsFurther ? [moving, staying] : [staying, moving]
  const events = await endJoined(trx, other, by)
  await takeBetterRank(trx, survivor.id, other.id)
  if (movingIsFurther) {
    await moveItem(trx, survivor.id, into)
    await place(trx, into, survivor)
    return [...events, moved(survivor, into, by)]
  }
  return events
}

/** The item goes on under the other conversation. */
function moved(item: Item, into: string, by: Cause): NewEvent {
  return workEvent('work.moved', { ...item, conversation: into }, by, { from: item.conversation })
}

async function endJoined(trx: Transaction<Tables>, item: Item, by: Cause): Promise<readonly NewEvent[]> {
  const freed = await freeItem(trx, item, { accepted: 'released', pending: 'rescinded', reason: 'joined' }, by)
  await setEnded(trx, item.id, 'joined')
  return [...freed.events, workEvent('work.completed', item, by, { outcome: 'joined', agent: freed.holder })]
}
