import type { InboundEvent } from '@throughline/plugin-sdk'

/** Stores inbound events durably. Used by the webhook route and, through ctx.inbox, by plugins. */
export interface Ingress {
  /**
   * Resolves when the rows are committed (P1). Duplicates by (channel, external id) are counted, not stored. Requests that
   * come in together share one transaction (group commit). Throws TL_INBOUND_OVERLOADED or TL_STORE_UNAVAILABLE when
   * nothing was stored.
   */
  accept(request: InboundRequest): Promise<{ readonly stored: number; readonly duplicate: number }>
}

export interface InboundRequest {
  readonly channel: string
  /** Empty together with `unreadable`: the body could not be parsed and is parked as it is. */
  readonly events: readonly InboundEvent[]
  readonly unreadable?: { readonly code: string; readonly reason: string }
  readonly raw?: { readonly body: Uint8Array; readonly headers?: Readonly<Record<string, string>> }
}

/** A parked event, for `throughline inbox` and /v1/admin/inbox. */
export interface ParkedEvent {
  readonly id: number
  readonly channel: string
  readonly externalId: string
  readonly lane: string
  readonly code: string | null
  readonly reason: string | null
  readonly receivedAt: Date
  readonly hasRaw: boolean
}

export interface InboxService {
  list(filter: {
    readonly channel?: string
    readonly limit: number
    readonly before?: number
  }): Promise<readonly ParkedEvent[]>
  /** Whole row: event, headers and raw body (the operator asked for it). null: no such parked row. */
  show(
    id: number,
  ): Promise<(ParkedEvent & { readonly event: unknown; readonly headers: unknown; readonly raw: Buffer | null }) | null>
  /** Parses the raw body again (or takes the stored event) and queues it. Answers what happened. */
  replay(ids: readonly number[] | 'all'): Promise<{
    readonly replayed: number
    readonly stillParked: readonly { readonly id: number; readonly reason: string }[]
  }>
  counts(): Promise<{ readonly undrained: number; readonly parked: number; readonly oldestUndrainedS: number | null }>
}
