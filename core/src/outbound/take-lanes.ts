import type { Capabilities } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { claimHeads, type ClaimedSend } from './lane-store.js'
import { holdThreads, openBucket, pausedFor } from './limit-store.js'
import { messageEvent, settleMessages } from './message-state-store.js'
import type { RecordDeps } from './record.js'
import { retryTransaction } from '../store/retry-transaction.js'

export interface Taken {
  readonly sends: readonly ClaimedSend[]
  /** When to look again, where something other than work in hand holds the lanes; 0: no need to. */
  readonly waitMs: number
}

/**
 * One transaction: the channel's pause and bucket, the claim, the messages' state and events. Locks: the bucket, then
 * the sends (skipping those somebody else holds), then the messages. Poke the events after it.
 */
export async function takeLanes(
  deps: Pick<RecordDeps, 'db' | 'ids' | 'events' | 'watched'>,
  wanted: {
    readonly channel: string
    readonly node: string
    readonly places: number
    readonly leaseMs: number
    readonly rate: Capabilities['rate']
  },
): Promise<Taken> {
  const { channel, node, places, leaseMs, rate } = wanted
  const perSecond = rate?.perSecond ?? 0
  return retryTransaction(deps.db, async (trx) => {
    const paused = await pausedFor(trx, channel)
    if (paused > 0) return { sends: [], waitMs: paused }
    const burst = Math.max(1, rate?.burst ?? perSecond)
    const bucket = perSecond > 0 ? await openBucket(trx, channel, { perSecond, burst }) : null
    const limit = bucket ? Math.min(places, Math.floor(bucket.tokens)) : places
    if (bucket && limit < 1) return { sends: [], waitMs: Math.ceil(((1 - bucket.tokens) / perSecond) * 1000) }
    const sends = await claimHeads(trx, { channel, limit, node, token: deps.ids(), leaseMs })
    if (sends.length === 0) return { sends, waitMs: 0 }
    await bucket?.spend(sends.length)
    const threadMs = await holdThreadsOf(trx, channel, sends, rate?.perThread ?? 0)
    await tellSending(deps, trx, sends)
    return { sends, waitMs: threadMs }
  })
}

/** Where the network limits a single thread, its next part waits from now on. */
async function holdThreadsOf(
  trx: Transaction<Tables>,
  channel: string,
  sends: readonly ClaimedSend[],
  perThread: number,
): Promise<number> {
  if (perThread <= 0) return 0
  const ms = Math.ceil(1000 / perThread)
  const threads = sends.map((send) => send.thread)
  await holdThreads(trx, channel, threads, ms)
  return ms + 5
}

async function tellSending(
  deps: Pick<RecordDeps, 'events' | 'watched'>,
  trx: Transaction<Tables>,
  sends: readonly ClaimedSend[],
): Promise<void> {
  const messages = sends.map((send) => send.messageId)
  const changes = await settleMessages(trx, messages)
  const events = changes.map((change) => {
    const send = sends.find((each) => each.messageId === change.id)
    return messageEvent(change, { watched: deps.watched(change.channel), ...(send ? { sendId: send.id } : {}) })
  })
  await deps.events.append(trx, events)
}
