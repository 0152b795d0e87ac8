import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { InboundReceipt } from '../outbound/contract.js'
import type { Tables } from '../store/tables.js'
import type { BatchDeps, ResolvedSender } from './batch-contract.js'
import type { InboxRow } from './drain-store.js'

/** Everything that is not a message: receipts as one set, the rarer rest one by one. */
export async function applyFurther<P>(
  deps: BatchDeps<P>,
  trx: Transaction<Tables>,
  rows: readonly InboxRow[],
  resolved: ReadonlyMap<number, ResolvedSender>,
): Promise<{ events: NewEvent[]; remarks: Map<number, string> }> {
  const events: NewEvent[] = []
  const remarks = new Map<number, string>()
  const receipts: InboundReceipt[] = []
  for (const row of rows) {
    const { event } = row
    const cause = `in_${row.id}`
    const who = resolved.get(row.id)?.contact.id ?? null
    switch (event.type) {
      case 'receipt':
      case 'read':
        if (event.target === undefined) break
        receipts.push({
          channel: row.channel,
          target: event.target,
          status: event.type === 'read' ? 'read' : event.status,
          at: new Date(event.at),
          watermark: event.type === 'read' || event.watermark === true,
          thread: event.thread?.id ?? null,
          error: event.type === 'receipt' ? (event.error ?? null) : null,
          cause,
        })
        break
      case 'edit':
      case 'delete':
      case 'reaction': {
        const hit = await deps.timeline.change(trx, {
          channel: row.channel,
          target: event.target,
          kind: event.type,
          text: event.type === 'edit' ? (event.text ?? null) : null,
          emoji: event.type === 'reaction' ? event.emoji : null,
          by: who ?? event.thread.id,
        })
        if (hit === null) {
          remarks.set(row.id, 'target_unknown')
          break
        }
        events.push({
          type:
            event.type === 'edit' ? 'message.edited' : event.type === 'delete' ? 'message.deleted' : 'message.reaction',
          conversation: hit.conversation,
          contact: hit.contact,
          watch: hit.thread !== null && deps.watched(row.channel) ? `${row.channel}/${hit.thread}` : null,
          actor: { kind: 'customer', id: who ?? hit.contact },
          cause,
          data: {
            messageId: hit.message,
            channel: row.channel,
            ...(event.type === 'edit' && event.text !== undefined ? { text: event.text.slice(0, 1000) } : {}),
            ...(event.type === 'reaction' ? { emoji: event.emoji } : {}),
          },
        })
        break
      }
      case 'consent':
        if (who !== null) {
          await deps.identity.consent(trx, who, event.granted)
          events.push({
            type: 'contact.updated',
            contact: who,
            actor: { kind: 'customer', id: who },
            cause,
            data: { consent: event.granted },
          })
        }
        break
      default:
        break
    }
  }
  if (receipts.length > 0) events.push(...(await deps.outbound.applyReceipts(trx, receipts)))
  return { events, remarks }
}
