/**
 * How nodes wake each other. What it carries are hints: they may be lost, doubled, late or forged, so the reader only looks,
 * and it looks every 250 ms anyway. Losing the wire costs latency.
 */
export interface Wire {
  readonly connected: boolean
  start(): Promise<void>
  stop(): Promise<void>
  /** This node gave events their positions. Returns at once, never throws. */
  moved(): void
  /** An ephemeral message for all other nodes, at most 1 kB. Returns at once, never throws. */
  publish(payload: string): void
}

export interface Heard {
  /** There may be events up to this position; Infinity: look. */
  events(position: number): void
  /** An ephemeral message of some node, as it was published. */
  ephemeral(payload: string): void
}

/** Ephemeral messages and hints are at most this long. */
export const HINT_BYTES = 1024
