import type { HandRow, InboxRow } from './drain-store.js'
import type { InboundEvent } from '@throughline/plugin-sdk'

/** A row as this node has just stored it. */
export interface FreshRow {
  readonly channel: string
  readonly externalId: string
  readonly lane: string
  /** The event as JSON, exactly as the inbox has it. */
  readonly event: string
  readonly receivedAt: Date
}

const MOST = 10_000

/**
 * What this node stored a moment ago and will most likely drain itself: saves reading it back. A copy of committed rows that
 * never change; what is missing here is read from the inbox.
 */
export interface FreshRows {
  keep(id: number, row: FreshRow): void
  /** All of the rows, or null when one is not here. They are forgotten either way. */
  take(hand: readonly HandRow[]): readonly InboxRow[] | null
}

export function createFreshRows(): FreshRows {
  const kept = new Map<number, FreshRow>()
  return Object.freeze({
    keep(id, row) {
      kept.set(id, row)
      if (kept.size <= MOST) return
      for (const oldest of kept.keys()) {
        kept.delete(oldest)
        return
      }
    },
    take(hand) {
      const rows: InboxRow[] = []
      for (const { id, shard, crashes } of hand) {
        const row = kept.get(id)
        kept.delete(id)
        if (row === undefined) continue
        const event = JSON.parse(row.event) as InboundEvent & { readonly at: number }
        rows.push({ ...row, id, shard, crashes, event })
      }
      return rows.length === hand.length ? rows : null
    },
  } satisfies FreshRows)
}
