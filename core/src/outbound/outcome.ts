import { isPluginError, type PluginErrorCode } from '@throughline/plugin-sdk'
import { isThroughlineError } from '../errors.js'

/** What becomes of a part after one attempt. Attempts and bugs are the counts to write. */
export type Outcome =
  | { readonly kind: 'sent'; readonly state: 'sent' | 'delivered'; readonly externalId: string | null }
  | (Failure & { readonly kind: 'retry'; readonly delayMs: number; readonly attempts: number; readonly bugs: number })
  /** The whole channel, or only the part's thread, waits; the part keeps its place and its attempts. */
  | (Failure & { readonly kind: 'pause'; readonly delayMs: number; readonly scope: 'channel' | 'thread' })
  /** The instance cannot work until somebody acts; the part keeps its place and its attempts. */
  | (Failure & { readonly kind: 'hold'; readonly report: 'auth' | 'config' })
  /** In another form, without what the channel refused; when there is none it failed. */
  | (Failure & { readonly kind: 'replan' })
  | (Failure & { readonly kind: 'end'; readonly state: 'failed' | 'unknown' | 'dead' })

export interface Failure {
  readonly code: string
  /** A sentence for the agent. Never the error's own message: it is for operators and may quote a request. */
  readonly reason: string
}

export interface Attempt {
  /** Number of this attempt, from 1. */
  readonly attempts: number
  readonly bugs: number
  readonly replanned: boolean
  readonly idempotent: boolean
  /** The instance is running or degraded still. */
  readonly live: boolean
  /** 0 ≤ random < 1 */
  readonly random: number
}

/** Waits after the first, second, … failed attempt. After the last one the part is dead. */
const scheduleMs: readonly number[] = Object.freeze([1_000, 3_000, 10_000, 30_000, 120_000, 600_000])
const MAX_BUGS = 3
const DEFAULT_PAUSE_MS = 30_000
const MAX_PAUSE_MS = 86_400_000

const reasons: Readonly<Record<PluginErrorCode, string>> = Object.freeze({
  retryable: 'The network could not be reached for too long.',
  rate_limited: 'The network asks to wait.',
  auth: 'The channel has to sign in again; an administrator was told.',
  config: 'The channel is not set up correctly; an administrator was told.',
  recipient: 'The customer cannot be reached on this channel.',
  window_closed: 'The time for answers on this channel is over; use a template or another channel.',
  unsupported: 'The channel refused this kind of content.',
  permanent: 'The network refused the message.',
  uncertain: 'It is not known whether the message arrived.',
  bug: 'The channel plugin failed; an administrator can see why.',
})

/** The guard did not let the call through. */
const notTried: ReadonlySet<string> = new Set(['TL_CHANNEL_UNAVAILABLE', 'TL_PLUGIN_BUSY'])

/** The core's one behaviour for each code of a PluginError; anything else that is thrown counts as a bug of the plugin. */
export function outcomeOf(error: unknown, attempt: Attempt): Outcome {
  if (isThroughlineError(error) && notTried.has(error.code)) {
    // Nothing was tried, no attempt is used up.
    return retry('unavailable', reasons.retryable, 2_000, { ...attempt, attempts: attempt.attempts - 1 })
  }
  const code = codeOf(error, attempt.live)
  const said = isPluginError(error) ? error.userMessage : undefined
  const reason = said === undefined || said.trim() === '' ? reasons[code] : said.slice(0, 500)
  const failure = { code, reason }
  const wait = isPluginError(error) ? error.retryAfterMs : undefined
  switch (code) {
    case 'retryable':
      return again(failure, attempt, wait)
    case 'uncertain':
      return attempt.idempotent ? again(failure, attempt, wait) : { kind: 'end', state: 'unknown', ...failure }
    case 'rate_limited':
      return { kind: 'pause', delayMs: pauseMs(wait), scope: scopeOf(error), ...failure }
    case 'auth':
    case 'config':
      return { kind: 'hold', report: code, ...failure }
    case 'unsupported':
      return attempt.replanned ? { kind: 'end', state: 'failed', ...failure } : { kind: 'replan', ...failure }
    case 'recipient':
    case 'window_closed':
    case 'permanent':
      return { kind: 'end', state: 'failed', ...failure }
    case 'bug': {
      const bugs = attempt.bugs + 1
      if (bugs >= MAX_BUGS) return { kind: 'end', state: 'dead', ...failure }
      return again(failure, { ...attempt, bugs }, wait)
    }
  }
}

function codeOf(error: unknown, live: boolean): PluginErrorCode {
  if (isPluginError(error)) return Object.hasOwn(reasons, error.code) ? error.code : 'bug'
  // Past the time limit, or torn off by the stop of its instance: the request may have been on its way.
  if ((isThroughlineError(error) && error.code === 'TL_PLUGIN_TIMEOUT') || !live) return 'uncertain'
  return 'bug'
}

function again(failure: Failure, attempt: Attempt, wait: number | undefined): Outcome {
  const planned = scheduleMs[attempt.attempts - 1]
  if (planned === undefined) return { kind: 'end', state: 'dead', ...failure }
  // ± 20 %, so that what failed together does not come back together.
  const delayMs = Math.round(planned * (0.8 + 0.4 * attempt.random))
  return retry(failure.code, failure.reason, Math.max(delayMs, wait === undefined ? 0 : pauseMs(wait)), attempt)
}

function retry(code: string, reason: string, delayMs: number, attempt: Attempt): Outcome {
  return { kind: 'retry', code, reason, delayMs, attempts: attempt.attempts, bugs: attempt.bugs }
}

/** Whatever an older or careless plugin says, the wider wait is the safe one. */
function scopeOf(error: unknown): 'channel' | 'thread' {
  return isPluginError(error) && error.scope === 'thread' ? 'thread' : 'channel'
}

function pauseMs(wait: number | undefined): number {
  if (wait === undefined || !Number.isFinite(wait)) return DEFAULT_PAUSE_MS
  return Math.min(MAX_PAUSE_MS, Math.max(0, Math.ceil(wait)))
}

/** A send whose holder vanished: nobody knows whether it left. */
export function lapsedOutcome(attempt: Pick<Attempt, 'attempts' | 'idempotent'>): Outcome {
  const failure = { code: 'lapsed', reason: reasons.uncertain }
  if (!attempt.idempotent) return { kind: 'end', state: 'unknown', ...failure }
  if (attempt.attempts > scheduleMs.length) return { kind: 'end', state: 'dead', ...failure }
  return { kind: 'retry', ...failure, delayMs: 0, attempts: attempt.attempts, bugs: 0 }
}
