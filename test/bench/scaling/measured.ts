/** What a customer's message, or an agent's answer, costs from door to door. */
export interface Cost {
  /** ms of the engine's process, user and system. */
  readonly engineMs: number
  /** ms of all processes of PostgreSQL. */
  readonly postgresMs: number
  readonly walBytes: number
  readonly transactions: number
  readonly events: number
}

/** Bytes for each message (conversation, contact, answer): of the table itself, and of its indexes. */
export interface Bytes {
  readonly table: string
  readonly heap: number
  readonly index: number
}

/** Everything `npm run scaling` measures: the inputs of the model. Nothing in here is assumed. */
export interface Measured {
  readonly machine: { readonly cores: number; readonly load: number; readonly node: string; readonly postgres: string }
  readonly messages: number
  readonly conversations: number
  readonly answers: number
  readonly messagesPerS: number
  readonly answersPerS: number
  readonly inbound: Cost
  readonly answer: Cost
  /** Tables that are kept for ever, by what they grow with. */
  readonly bytesPerMessage: readonly Bytes[]
  readonly bytesPerConversation: readonly Bytes[]
  readonly bytesPerContact: readonly Bytes[]
  /** What an answer adds to tables that are kept for ever. */
  readonly bytesPerAnswer: readonly Bytes[]
  /** Bytes a customer's message takes in the index over external ids, which the measurement's short ids in order keep small. */
  readonly externalIdIndexRow: number
  /** Bytes of one row of tables that are swept, indexes included. */
  readonly inboxRow: number
  readonly eventRow: number
  /** Bytes a row of a unique index over (channel, external id) with random ids of 46 characters. */
  readonly randomIdIndexRow: number
  /** Share of the updates of the conversation table that left its indexes alone. */
  readonly updatesInPlace: number
  readonly connectionsIdle: number
  readonly connectionsLoaded: number
  /** Memory of the node's process: fresh, and per agent's socket. */
  readonly nodeMb: number
  readonly loadedNodeMb: number
  readonly socketKb: number
  /** ms of engine CPU: a socket and second at rest; a frame to one socket. */
  readonly socketMsPerS: number
  readonly frameMs: number
  /** Events a second the sequencer's function moves into the log, one transaction at a time: keeping up, and 200,000 behind. */
  readonly sequencedPerS: { readonly steady: number; readonly behind: number }
  /** Committed NOTIFYs a second, eight senders, with so many listening connections. */
  readonly notifyPerS: { readonly few: number; readonly many: number }
  /** Retention: rows a second that a sweep deletes, ms of a sweep that finds nothing, over so many rows. */
  readonly sweep: {
    readonly inboxRowsPerS: number
    readonly eventRowsPerS: number
    readonly idleMs: number
    readonly idleRows: number
  }
}
