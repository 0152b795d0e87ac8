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

/** Rows that nobody took by then are drained by another node, or wait so long that reading them back costs nothing more. */
const KEPT_MS = 2_000
const MOST = 5_000

/**
 * What this node stored a moment ago and will most likely drain itself: saves reading it back. A copy of committed rows that
 * never change; what is missing here is read from the inbox.
 */
export interface FreshRows {
  keep(id: number, row: FreshRow): void
  /** All of the rows, or null when one is not here. They are forgotten either way. */
  take(hand: readonly HandRow[]): readonly InboxRow[] | null
  readonly size: number
}

/** @param monotonic milliseconds. Rows are forgotten a generation at a time, after 2 to 4 s, without a timer. */
export function createFreshRows(monotonic: () => number): FreshRows {
  let young = new Map<number, FreshRow>()
  let old = new Map<number, FreshRow>()
  let since = monotonic()
  const age = (): void => {
    const now = monotonic()
    if (now - since < KEPT_MS && young.size < MOST) return
    old = now - since < 2 * KEPT_MS ? young : new Map<number, FreshRow>()
    young = new Map()
    since = now
  }
  return Object.freeze({
    get size() {
      return young.size + old.size
    },
    keep(id, row) {
      age()
      young.set(id, row)
    },
    take(hand) {
      const rows: InboxRow[] = []
      for (const { id, shard, crashes } of hand) {
        const row = young.get(id) ?? old.get(id)
        if (!young.delete(id)) old.delete(id)
        if (row === undefined) continue
        const event = JSON.parse(row.event) as InboundEvent & { readonly at: number }
        rows.push({ ...row, id, shard, crashes, event })
      }
      return rows.length === hand.length ? rows : null
    },
  } satisfies FreshRows)
}
