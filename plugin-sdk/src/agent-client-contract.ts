export type Cursor = { readonly epoch: string; readonly position: number }

/** An event; durable ones have a position, ephemeral ones (typing, presence) have none. */
export type AgentEvent = {
  readonly t: string
  readonly position?: number
  readonly ts?: number
  readonly d: Readonly<Record<string, unknown>>
}

export type ClientState = 'connecting' | 'live' | 'waiting' | 'stopped'

/** The part of a WebSocket the client needs; browsers' and the package `ws` both fit. */
export interface SocketLike {
  readonly readyState: number
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'open', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void
  addEventListener(type: 'error', listener: () => void): void
}
export type SocketConstructor = new (url: string, protocol: string) => SocketLike

export type AgentClientOptions = {
  /** `wss://host/v1/agent/ws` */
  readonly url: string
  /** A new single-use ticket for every connection. */
  readonly ticket: () => Promise<string>
  readonly WebSocket?: SocketConstructor
  /** Where an earlier client of yours stopped. */
  readonly cursor?: Cursor
  /** Areas of events: offers, work, messages, conversation, contact, identity … Default: everything you may see. */
  readonly intents?: readonly string[]
  readonly onEvent?: (event: AgentEvent) => void
  readonly onState?: (state: ClientState) => void
  /** The log no longer holds what was missed: fetch `/v1/agent/snapshot`, then call `resynced` with its cursor. */
  readonly onResync?: (reason: string) => void
  readonly random?: () => number
}

export interface AgentClient {
  /** Resolves with the command's data, rejects with AgentClientError. The id makes a repetition harmless. */
  send(type: string, data?: unknown, options?: { readonly id?: string; readonly ifVersion?: number }): Promise<unknown>
  /** Fire and forget: typing, viewing. Dropped while not connected. */
  tell(type: string, data?: unknown): void
  cursor(): Cursor | null
  /** After a resync: events after this cursor are delivered from now on. */
  resynced(cursor: Cursor): void
  /** `bye`: offers are handed back at once instead of after the grace. */
  close(bye?: boolean): void
}
