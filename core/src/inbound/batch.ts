import type { Transaction } from 'kysely'
import { failPoint } from '../store/fail-point.js'
import type { Tables } from '../store/tables.js'
import { inTransaction } from '../store/transaction.js'
import { applyFurther } from './apply-further.js'
import type { BatchDeps, BatchMessage, BatchResult, ResolvedSender, Sender } from './batch-contract.js'
import { insertDecisions } from './decision-store.js'
import { closeBatch, readInHand, remarkRows, type Claim, type HandRow, type InboxRow } from './drain-store.js'
import { routeBatch } from './route-batch.js'

/**
 * Applies the rows in hand in one transaction: identity, continuity, timeline, routing, work, events, receipts, and last the
 * fence on the claim. Locks: contacts in id order, then conversations, then the rest. Any throw rolls all back.
 */
export async function applyBatch<P>(
  deps: BatchDeps<P>,
  claim: Claim,
  hand: readonly HandRow[],
  part: 'all' | 'part' = 'all',
): Promise<BatchResult> {
  const rows = deps.fresh?.take(hand) ?? (await readInHand(deps.db, hand))
  const senders = rows.flatMap((row) => {
    const sender = senderOf(row.event, deps)
    return sender === null ? [] : [{ row, channel: row.channel, sender }]
  })
  const prepared = await deps.identity.prepare(senders)
  const apply = async (trx: Transaction<Tables>, last: (sent: Promise<unknown>) => void): Promise<BatchResult> => {
    const [identity, foreseen] = await Promise.all([
      deps.identity.resolve(trx, prepared),
      deps.timeline.foresee(trx, prepared),
    ])
    const resolvedBy = new Map(senders.map((one, i) => [one.row.id, identity.resolved[i]!]))
    const messages = rows.flatMap((row) => messageOf(row, resolvedBy))
    const timeline = await deps.timeline.apply(trx, messages, identity.joined ? [] : foreseen)
    const routed = routeBatch(deps, timeline.needsRouting)
    const written = await timeline.write(trx)
    const workEvents = routed.items.length > 0 ? await deps.work.enqueue(trx, routed.items) : []
    if (routed.decisions.length > 0) last(insertDecisions(trx, routed.decisions))
    const further = await applyFurther(deps, trx, rows, resolvedBy)
    last(deps.events.append(trx, [...identity.events, ...written.events, ...workEvents, ...further.events]))
    last(remarkRows(trx, new Map([...further.remarks, ...timeline.remarks])))
    const retried = rows.filter((row) => row.crashes > 0 || part === 'part' || hand.length === 1)
    const lanes = [...new Set(retried.map((row) => row.lane))]
    const closed = closeBatch(trx, claim, rows, part === 'part', lanes)
    last(closed)
    if (failPoint !== null) {
      await closed
      await failPoint('drain.before-commit')
    }
    return {
      queues: routed.queues,
      attachments: written.attachments,
      pending: routed.pending,
      told: identity.told,
    }
  }
  return inTransaction(deps.db, apply, { plans: 'generic' })
}

function senderOf(event: InboxRow['event'], deps: { vouches: BatchDeps<unknown>['vouches'] }): Sender | null {
  switch (event.type) {
    case 'message': {
      if (event.echo === true) return null
      // A token we minted for this very recipient came back: the signature vouches for what the From line only claims.
      if (
        event.replyToken !== undefined &&
        event.sender.assurance === 'claimed' &&
        deps.vouches(event.replyToken, event.thread.id)
      ) {
        return {
          ...event.sender,
          assurance: 'verified',
          identifiers: (event.sender.identifiers ?? []).map((i) =>
            i.value === event.thread.id ? { ...i, assurance: 'verified' } : i,
          ),
        }
      }
      return event.sender
    }
    case 'action':
    case 'consent':
    case 'profile':
    case 'reaction':
      return event.sender
    default:
      return null
  }
}

const nobody: ResolvedSender = {
  contact: { id: '00000000-0000-0000-0000-000000000000', tier: null, language: null, attributes: {} },
  isNew: false,
  verified: false,
}

function messageOf(row: InboxRow, resolved: ReadonlyMap<number, ResolvedSender>): BatchMessage[] {
  const { event } = row
  if (event.type !== 'message' && event.type !== 'action') return []
  const who = resolved.get(row.id) ?? nobody
  return [
    {
      inboxId: row.id,
      channel: row.channel,
      externalId: row.externalId,
      event,
      receivedAt: row.receivedAt,
      contact: who.contact,
      verified: who.verified,
    },
  ]
}
