import type { StoredEvent } from '../events/contract.js'
import { isOpen } from './clock.js'
import { replyMetrics, type Ledger } from './ledger.js'

const MOST = 20_000

/**
 * Conversations in which a customer waits already, as this node wrote them last: to ask again on the same touchpoint moves
 * no clock, so such messages need not be looked up. Under load that is most of them. Holds only as long as no other node
 * has moved the cursor in between.
 */
export class Waiting {
  readonly #touchpoints = new Map<string, string>()
  #cursor = -1

  /** At this place of the log; forgets everything when somebody else brought the clocks there. */
  at(cursor: number): void {
    if (cursor !== this.#cursor) this.#touchpoints.clear()
    this.#cursor = cursor
  }

  /** Events without the messages that change nothing. A conversation to which anything else happens is looked at wholly. */
  sift(events: readonly StoredEvent[]): readonly StoredEvent[] {
    if (this.#touchpoints.size === 0) return events
    const stirred = new Set<string | null>()
    for (const event of events) if (!this.#asksAgain(event)) stirred.add(event.conversation)
    return events.filter((event) => stirred.has(event.conversation))
  }

  /** After the commit that moved the cursor there. */
  wrote(ledgers: readonly Ledger[], cursor: number): void {
    this.#cursor = cursor
    for (const ledger of ledgers) {
      this.#touchpoints.delete(ledger.conversation)
      if (waits(ledger)) this.#touchpoints.set(ledger.conversation, ledger.touchpoint ?? '')
    }
    for (const oldest of this.#touchpoints.keys()) {
      if (this.#touchpoints.size <= MOST) break
      this.#touchpoints.delete(oldest)
    }
  }

  #asksAgain({ type, conversation, data }: StoredEvent): boolean {
    if (type !== 'message.inbound' || conversation === null) return false
    return this.#touchpoints.get(conversation) === data['touchpoint']
  }
}

function waits(ledger: Ledger): boolean {
  return (
    ledger.handledBy === 'human' &&
    ledger.status === 'open' &&
    ledger.unanswered !== null &&
    ledger.clocks.some(
      (clock) => isOpen(clock) && replyMetrics.includes(clock.metric) && clock.touchpoint === ledger.touchpoint,
    )
  )
}
