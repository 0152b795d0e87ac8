import type { LoggedEvent } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { EventType } from '../store/event-types.js'
import type { Tables } from '../store/tables.js'

export type { LoggedEvent } from '@throughline/plugin-sdk'
export { eventTypes, type EventType } from '../store/event-types.js'

/** A durable event about to be written; it gets its position after the transaction has committed. */
export interface NewEvent {
  readonly type: EventType
  readonly conversation?: string | null
  readonly contact?: string | null
  /** Only this agent, leads and admins may see it (offers). */
  readonly agent?: string | null
  /** `<channel>/<thread>` where the channel serves its own clients; wakes their streams. */
  readonly watch?: string | null
  readonly actor: LoggedEvent['actor']
  /** Id of the command, or `in_<inbox id>`, that caused it. */
  readonly cause?: string | null
  readonly data: Readonly<Record<string, unknown>>
}

/** Writing side. `append` runs inside the caller's transaction; `poke` after its commit. */
export interface EventWriter {
  /** One set-based insert into the outbox. */
  append(trx: Transaction<Tables>, events: readonly NewEvent[]): Promise<void>
  /** Something was committed: give it positions and tell every node. Returns at once; coalesced; never throws. */
  poke(): void
}

/** Reading side: one reader a node, fanned out in memory. */
export interface EventReader {
  readonly epoch: string
  /** Highest position this node has seen. */
  head(): number
  /** Calls `receive` with consecutive batches, every position once, from now on. Returns the unsubscribe function. */
  subscribe(receive: (batch: readonly StoredEvent[]) => void): () => void
  /** Looks at the log at once where a position is ahead of this node, as that of a client who was connected to a faster one. */
  reach(position: number): Promise<void>
  /** From a position (exclusive), out of the node's ring or the database. null: older than what is kept. */
  read(after: number, limit: number): Promise<readonly StoredEvent[] | null>
  /** Ephemeral fan-out to all nodes (typing, presence): at most once, no position. Best effort, at most 1 kB. */
  publish(topic: string, data: Readonly<Record<string, unknown>>): void
  onEphemeral(topic: string, receive: (data: Readonly<Record<string, unknown>>) => void): () => void
}

/** A logged event with the fields that decide who may see it. */
export interface StoredEvent extends LoggedEvent {
  readonly agent: string | null
  readonly watch: string | null
  readonly cause: string | null
}
