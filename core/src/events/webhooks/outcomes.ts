import type { Due } from './contract.js'
import type { Lead, WebhookLimits } from './lead.js'
import type { Answer } from './send.js'

const maxBreakerMs = 600_000
const mostUnwritten = 32

/** Writes down what became of tries. */
export interface Outcomes {
  /**
   * What is delivered while something is being written goes into one statement afterwards. Resolves at once, unless much
   * is unwritten: what a dying node has not written comes twice. Fails when writing fails.
   */
  delivered(due: Due, status: number | null): Promise<void>
  /** false: leave the endpoint alone for now. */
  failed(due: Due, answer: Answer): Promise<boolean>
  /** When all is written: how many tries. Fails with the first error there was; what is not written is sent again. */
  end(): Promise<number>
}

/**
 * One transaction at a time for an endpoint: its row lets one through anyway, and those who wait for it must not hold the
 * pool. Everything keeps the order of the answers, as far as successes and failures tell on each other.
 */
export function createOutcomes(led: Lead): Outcomes {
  let good: { readonly due: Due; readonly status: number | null }[] = []
  let turn: Promise<unknown> = Promise.resolve()
  let noted = 0
  let error: { readonly cause: unknown } | null = null
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const mine = turn.then(run)
    turn = mine.catch((cause: unknown) => (error ??= { cause }))
    return mine
  }
  const flush = async (): Promise<void> => {
    const batch = good
    good = []
    if (batch.length === 0) return
    await led.db.transaction().execute((trx) => led.store.delivered(trx, led.endpoint.id, batch))
    noted += batch.length
  }
  return {
    async delivered(due, status) {
      good.push({ due, status })
      // The first of a group asks for the turn; whoever comes before it is there goes with it.
      if (good.length === 1) inTurn(flush).catch(() => undefined)
      if (good.length >= mostUnwritten) await turn
      if (error !== null) throw error.cause
    },
    failed: (due, answer) =>
      inTurn(async () => {
        await flush()
        noted += 1
        return noteFailure(led, due, answer)
      }),
    async end() {
      await turn
      if (error !== null) throw error.cause
      return noted
    },
  }
}

/** Notes a try that failed; false: leave the endpoint alone for now. */
async function noteFailure(led: Lead, due: Due, answer: Answer): Promise<boolean> {
  const { store, limits, log, endpoint } = led
  const { status, error } = answer
  // It is no failing of the receiver that the log is shorter than its trouble was.
  const pruned = error === 'pruned'
  const planned = limits.retryMs[due.attempts]
  // A fifth of jitter upwards: receivers that were down together do not get everything back at once.
  const retryMs = Math.max(answer.waitMs ?? 0, (planned ?? 0) * (1 + led.random() / 5))
  const outcome = planned !== undefined && !pruned ? 'pending' : 'failed'
  const result = await led.db.transaction().execute(async (trx): Promise<Told> => {
    const after = await store.settle(trx, { endpoint: endpoint.id, due, outcome, status, error, retryMs, pruned })
    if (after === null || pruned) return 'on'
    const reason = answer.kind === 'gone' ? 'gone' : after.failingForMs >= limits.disableMs ? 'failing' : null
    if (reason !== null) {
      // Of several answers that say so one is told.
      if (!(await store.disable(trx, endpoint.id, reason))) return 'paused'
      const data = { webhook: endpoint.id, code: reason, failures: after.failures }
      await led.events.append(trx, [{ type: 'webhook.disabled', actor: { kind: 'system', id: null }, data }])
      return 'disabled'
    }
    const pauseMs = pauseOf(limits, after.failures, answer)
    if (pauseMs > 0) await store.pause(trx, endpoint.id, pauseMs)
    if (after.failures === 1 && !after.paused) return pauseMs > 0 ? 'first, paused' : 'first'
    if (pauseMs === 0) return 'on'
    return after.failures === limits.breakerFailures && !after.paused ? 'opened' : 'paused'
  })
  const fields = { webhook: endpoint.id, status, error }
  // One line when trouble begins and one when the breaker opens: the rest stands in the delivery log.
  if (result.startsWith('first')) log.warn(fields, `a webhook did not take an event; it is sent again${hintOf(error)}`)
  if (result === 'opened') log.warn(fields, 'a webhook fails again and again: it is tried with pauses from now on')
  if (result === 'disabled') {
    led.events.poke()
    log.error(fields, 'a webhook was disabled: `throughline webhooks replay` enables it when its receiver is mended')
  }
  return result === 'on' || result === 'first'
}

type Told = 'on' | 'first' | 'first, paused' | 'paused' | 'opened' | 'disabled'

function hintOf(error: string | null): string {
  if (error === 'refused') return ' (not a public address: open it with server.egressAllow)'
  return error === 'redirect' ? ' (it redirects, which is not followed: write its final address)' : ''
}

/** The breaker doubles its pause with every probe that fails; a receiver that asks for time gets it. */
function pauseOf(limits: WebhookLimits, failures: number, answer: Answer): number {
  const beyond = failures - limits.breakerFailures
  const breakerMs = beyond < 0 ? 0 : Math.min(maxBreakerMs, limits.breakerMs * 2 ** Math.min(beyond, 20))
  const throttleMs = answer.kind === 'throttled' ? Math.max(answer.waitMs ?? 0, limits.breakerMs) : 0
  return Math.max(breakerMs, throttleMs)
}
