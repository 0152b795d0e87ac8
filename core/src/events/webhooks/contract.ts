import type { NewEvent } from '../contract.js'

/** What the database knows of an endpoint. Times are database time, as milliseconds from now. */
export interface EndpointState {
  readonly position: number
  readonly failures: number
  /** Why nothing is sent any more; null: it is sent. */
  readonly disabled: 'gone' | 'failing' | null
  readonly pausedMs: number
}

/** A line of the delivery log. Neither bodies nor answers are kept. */
export interface Delivery {
  readonly position: number
  readonly messageId: string
  readonly type: string
  readonly state: 'pending' | 'delivered' | 'failed'
  readonly attempts: number
  /** How often it was sent again on somebody's wish. */
  readonly replays: number
  readonly nextAt: Date | null
  readonly lastAt: Date | null
  readonly status: number | null
  readonly error: string | null
}

/** A delivery to be tried; `attempts` and `replays` as read then fence a late outcome. */
export interface Due {
  readonly position: number
  readonly messageId: string
  readonly attempts: number
  readonly replays: number
}

/** A try that failed. */
export interface Attempt {
  readonly endpoint: string
  readonly due: Due
  readonly outcome: 'pending' | 'failed'
  readonly status: number | null
  readonly error: string | null
  readonly retryMs: number
  /** The event had left the log: that counts neither for nor against the endpoint. */
  readonly pruned: boolean
}

export interface WebhookEndpoint {
  readonly id: string
  /** Scheme and host: paths and queries may hold tokens. */
  readonly host: string
  readonly events: readonly string[]
  readonly state: 'running' | 'paused' | 'disabled' | 'off'
  readonly reason: 'gone' | 'failing' | null
  readonly position: number
  readonly failures: number
  readonly waiting: number
}

export type Which = { readonly position: number } | { readonly since: number }
export type Actor = NewEvent['actor']
export interface Replayed {
  readonly replayed: number
  readonly last: number | null
}

/** What REST and the command line may ask. TL_REQUEST_NOT_FOUND for an endpoint that is not configured. */
export interface WebhookService {
  list(): Promise<readonly WebhookEndpoint[]>
  /** Newest first; `before` is a position. */
  deliveries(endpoint: string, options: { before?: number; limit: number }): Promise<readonly Delivery[]>
  /**
   * Sends one event again, or every matching one since a position, 10,000 at once: go on after `last` (null: there was
   * none). Enables the endpoint and ends its pause. TL_REQUEST_NOT_FOUND for one event that is not there to be sent.
   */
  replay(endpoint: string, which: Which, actor: Actor): Promise<Replayed>
}

/** The guarded way out (see `core/src/plugins/egress.ts`): private addresses are refused, redirects not followed. */
export interface WayOut {
  request(request: {
    readonly method: string
    readonly url: URL
    readonly headers: Readonly<Record<string, string>>
    readonly body: Uint8Array
    readonly maxBytes: number
    readonly signal: AbortSignal
  }): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, string>> }>
}
