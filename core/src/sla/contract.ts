import type { ActContext } from '../conversations/contract.js'

/** What a clock measures. Reply clocks are set back by replies, the others pause by status. */
export type Metric =
  'first_reply' | 'next_reply' | 'periodic_update' | 'requester_wait' | 'agent_work' | 'total_resolution'

/**
 * `breached` without an end: late and still counting. Ends: `met`, `met_late`, `cancelled`, and `breached` with an end
 * (closed without what was promised).
 */
export type ClockState = 'running' | 'paused' | 'met' | 'breached' | 'met_late' | 'cancelled'

/** One clock as people see it. Seconds are seconds of its calendar. */
export interface ClockView {
  readonly id: string
  readonly metric: Metric
  /** Counts from 1 for each metric of a conversation. */
  readonly cycle: number
  readonly state: ClockState
  /** Rule of sla.json, and the file's $version. */
  readonly policy: string
  readonly policyVersion: string
  readonly targetS: number
  readonly usedS: number
  /** null: every second counts. */
  readonly calendar: string | null
  readonly touchpoint: string | null
  readonly startedAt: Date
  /** null while paused, or when the calendar does not open any more. */
  readonly dueAt: Date | null
  /** When the last level before the target was reached. */
  readonly warnedAt: Date | null
  readonly breachedAt: Date | null
  readonly endedAt: Date | null
  /** Why it ended without being met: closed_without_reply, joined, no_policy, … */
  readonly reason: string | null
  /** Levels that have fired. */
  readonly fired: readonly string[]
  /** The level that fires next, and when. */
  readonly next: { readonly level: string; readonly at: Date } | null
  /** Who excused the breach, and why; the clock stays what it is. */
  readonly waiver: Waiver | null
}

/** Says that a breach does not count against anybody. One a clock, never changed. */
export interface Waiver {
  /** 1 to 500 characters, from a supervisor. */
  readonly reason: string
  /** Agent. */
  readonly by: string
  readonly at: Date
}

/** A waiver with what it stands for. */
export interface WaiverRecord extends Waiver {
  readonly clock: string
  readonly conversation: string
}

/** A clock that has not ended, as short as an agent's client needs it beside a conversation. */
export interface OpenClock extends Pick<ClockView, 'id' | 'metric' | 'dueAt' | 'warnedAt' | 'breachedAt' | 'waiver'> {
  /** `breached`: late and still counting. */
  readonly state: 'running' | 'paused' | 'breached'
}

export interface SlaService {
  /** Open clocks first, then by start. Empty for a conversation without clocks. */
  clocksOf(conversation: string): Promise<readonly ClockView[]>
  /** Clocks that have not ended, the earliest due first, of all these conversations at once; without an entry: none. */
  openClocks(conversations: readonly string[]): Promise<ReadonlyMap<string, readonly OpenClock[]>>
  /**
   * Excuses a breach. The same again answers the waiver there is. Errors: TL_COMMAND_NOT_FOUND (no such clock, or not of
   * `conversation`), TL_SLA_NOT_BREACHED, TL_SLA_ALREADY_WAIVED (for another reason), TL_COMMAND_INVALID (the reason).
   */
  waive(
    clock: string,
    waiver: { readonly reason: string; readonly conversation?: string },
    context: WaiverContext,
  ): Promise<WaiverRecord>
  /** Everything about a conversation's clocks: what is counted and what happened, oldest first. null: no such conversation. */
  explain(conversation: string): Promise<SlaExplanation | null>
  start(): Promise<void>
  stop(): Promise<void>
}

/** `within` is handed the record inside the transaction that writes it. */
export type WaiverContext = Pick<ActContext, 'cause' | 'within'> & {
  readonly actor: { readonly kind: 'agent'; readonly id: string }
}

export interface SlaExplanation {
  readonly conversation: string
  readonly status: string
  readonly priority: string
  /** Oldest customer message that nobody has answered. */
  readonly unansweredSince: Date | null
  /** Who has the turn: nobody yet, a bot, people. */
  readonly handledBy: 'none' | 'bot' | 'human'
  readonly clocks: readonly ClockView[]
  readonly events: readonly { readonly at: Date; readonly type: string; readonly data: unknown }[]
}
