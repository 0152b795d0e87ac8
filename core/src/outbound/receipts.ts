import type { Kysely, Transaction } from 'kysely'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import type { InboundReceipt } from './contract.js'
import { messageEvent, settleMessages } from './message-state-store.js'
import {
  forgetEarly,
  keepEarly,
  moveSends,
  sendsOfTargets,
  sendsUpTo,
  takeEarly,
  targetKey,
  type MovedSend,
} from './receipt-store.js'
import { retryTransaction } from '../store/retry-transaction.js'

export type Watched = (channel: string) => boolean

/**
 * Applies a drain's receipts, set-based, in its transaction. Those whose send is not recorded yet are kept. Idempotent: a
 * receipt that comes again moves nothing. Locks: sends in id order, then messages in id order.
 */
export async function applyReceipts(
  trx: Transaction<Tables>,
  receipts: readonly InboundReceipt[],
  watched: Watched,
): Promise<readonly NewEvent[]> {
  if (receipts.length === 0) return []
  const sends = await sendsOfTargets(trx, receipts)
  const reports: Parameters<typeof moveSends>[1][number][] = []
  const early: InboundReceipt[] = []
  for (const receipt of receipts) {
    const send = sends.get(targetKey(receipt.channel, receipt.target))
    const facts = {
      status: receipt.status,
      at: receipt.at,
      code: receipt.error?.code ?? null,
      reason: receipt.error?.message ?? null,
      cause: receipt.cause,
    }
    if (send) reports.push({ id: send.id, ...facts })
    else early.push(receipt)
    if (!receipt.watermark || receipt.thread === null || receipt.status === 'failed') continue
    const mark = { channel: receipt.channel, thread: receipt.thread, seq: send?.seq ?? null, at: receipt.at }
    for (const id of await sendsUpTo(trx, mark)) reports.push({ id, ...facts })
  }
  await keepEarly(trx, early)
  return eventsOf(trx, await moveSends(trx, reports), watched)
}

/** Receipts that came before their send was recorded. Inside the transaction that records it. */
export async function applyEarly(
  trx: Transaction<Tables>,
  sent: { readonly channel: string; readonly target: string },
): Promise<readonly MovedSend[]> {
  return moveSends(trx, await takeEarly(trx, sent))
}

/** Finds kept receipts whose send committed side by side with them, and forgets what nobody claimed. */
export async function sweepEarly(deps: {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly watched: Watched
}): Promise<void> {
  const events = await retryTransaction(deps.db, async (trx) => {
    const found = await eventsOf(trx, await moveSends(trx, await takeEarly(trx)), deps.watched)
    if (found.length > 0) await deps.events.append(trx, found)
    return found
  })
  await forgetEarly(deps.db)
  if (events.length > 0) deps.events.poke()
}

async function eventsOf(
  trx: Transaction<Tables>,
  moved: readonly MovedSend[],
  watched: Watched,
): Promise<readonly NewEvent[]> {
  const changes = await settleMessages(
    trx,
    moved.map((send) => send.messageId),
  )
  return changes.map((change) => {
    const send = moved.find((each) => each.messageId === change.id)
    return messageEvent(change, {
      watched: watched(change.channel),
      cause: send?.cause ?? null,
      actor: { kind: 'plugin', id: change.channel },
      ...(send ? { sendId: send.id, code: send.code, reason: send.reason } : {}),
    })
  })
}
