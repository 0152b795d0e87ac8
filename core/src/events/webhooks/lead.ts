import type { Clock, Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { WebhookConfig } from '../../config/contract.js'
import { pauseUntil } from '../../clock.js'
import type { Tables } from '../../store/tables.js'
import type { EventReader, EventWriter, LoggedEvent } from '../contract.js'
import type { Due, WayOut } from './contract.js'
import { createOutcomes } from './outcomes.js'
import { payloadOf, sendOnce, type Answer } from './send.js'
import type { WebhookStore } from './webhook-store.js'

export interface LeadDeps {
  readonly db: Kysely<Tables>
  readonly reader: EventReader
  readonly events: EventWriter
  readonly egress: WayOut
  /** Cuts an event to what the endpoint may see. */
  readonly redact: (event: LoggedEvent, endpoint: WebhookConfig) => LoggedEvent
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

export interface WebhookLimits {
  /** Waits after the first, second … failed try; after the last of them the delivery has failed. */
  readonly retryMs: readonly number[]
  /** Failures in a row that open the breaker, and its first pause; it doubles up to ten minutes. */
  readonly breakerFailures: number
  readonly breakerMs: number
  /** An endpoint that never succeeded for so long is disabled. */
  readonly disableMs: number
  /** Between looks, also for retries that are due; events wake the leading node at once. */
  readonly standbyMs: number
  readonly leaseMs: number
  /** How long requests under way may still take when the node is told to stop. */
  readonly graceMs: number
}

const takeMost = 1_000
const sendMost = 200

/** What one node needs while it leads an endpoint. */
export interface Lead extends LeadDeps {
  readonly store: WebhookStore
  readonly limits: WebhookLimits
  readonly endpoint: WebhookConfig
  /** No further request. */
  readonly signal: AbortSignal
  /** Not even those under way. */
  readonly cut: AbortSignal
}

/** Makes deliveries of new events and sends what is due, until the signal aborts or the endpoint is disabled. */
export async function lead(led: Lead): Promise<void> {
  const { store, endpoint, signal, limits, log } = led
  let wake = new AbortController()
  const leave = led.reader.subscribe((batch) => {
    if (batch.some(({ type }) => fits(endpoint.events, type))) wake.abort()
  })
  try {
    while (!signal.aborted) {
      wake = new AbortController()
      const before = await store.look(endpoint.id)
      if (before.disabled !== null) return
      const { read, gap } = await store.take(endpoint.id, endpoint.events, takeMost)
      if (gap) log.error({ webhook: endpoint.id }, 'events had left the log before this webhook was served')
      const sent = before.pausedMs > 0 ? 0 : await sendDue(led, before.failures)
      if (read === takeMost || sent > 0) continue
      await pauseUntil(limits.standbyMs, wake, signal)
    }
  } finally {
    leave()
  }
}

function fits(filters: readonly string[], type: string): boolean {
  return filters.some((filter) => (filter.endsWith('*') ? type.startsWith(filter.slice(0, -1)) : filter === type))
}

/** Sends what is due, a few at a time; how many tries were noted. Half open: one only. */
async function sendDue(led: Lead, failures: number): Promise<number> {
  const { endpoint, signal, cut } = led
  const probing = failures >= led.limits.breakerFailures
  const queue = [...(await led.store.due(endpoint.id, probing ? 1 : sendMost))]
  const outcomes = createOutcomes(led)
  let halted = false
  const work = async (): Promise<void> => {
    while (!halted && !signal.aborted) {
      const next = queue.shift()
      if (next === undefined) return
      const answer = await attempt(led, next)
      // What was cut off is nobody's fault: the next leader sends it again under the same id.
      if (answer === null || (cut.aborted && answer.kind !== 'delivered')) continue
      if (answer.kind === 'delivered') await outcomes.delivered(next, answer.status)
      else if (!(await outcomes.failed(next, answer))) halted = true
    }
  }
  // All workers end before an error is passed on: none may go on after the lease was given back.
  const ended = await Promise.allSettled(Array.from({ length: endpoint.concurrency }, work))
  const noted = await outcomes.end()
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  return noted
}

/** null: this node's reader has not come as far as the event yet. */
async function attempt(led: Lead, due: Due): Promise<Answer | null> {
  const { endpoint } = led
  const found = await led.reader.read(due.position - 1, 1)
  if (found?.length === 0) return null
  const event = found?.[0]
  if (event?.position !== due.position) return { kind: 'failed', status: null, error: 'pruned', waitMs: null }
  const { agent: _agent, watch: _watch, cause: _cause, ...visible } = event
  const body = payloadOf(led.redact(visible, endpoint))
  return sendOnce(led.egress, endpoint, { id: due.messageId, body, now: led.clock.now() }, led.cut)
}
