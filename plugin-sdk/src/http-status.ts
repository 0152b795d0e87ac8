import { PluginError } from './errors.js'
import type { PluginErrorCode } from './errors.js'

/**
 * Milliseconds a `Retry-After` header asks to wait: seconds or an HTTP date. Undefined when there is none or it says
 * nothing usable; a date in the past is 0. At most a day, so that a wrong header cannot stop a channel for a year.
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  const value = header.trim()
  const max = 86_400_000
  if (/^\d+(\.\d+)?$/.test(value)) return Math.min(max, Math.ceil(Number(value) * 1000))
  // Only dates with a letter: Date.parse takes bare numbers such as "-5" for years.
  const at = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.min(max, Math.max(0, at - now))
}

/** How long to wait when a network throttles without saying for how long. */
const defaultWaitMs = 30_000

/**
 * The failure an HTTP status stands for, by the table in `Http`; for plugins that call with `allowStatus` because the
 * network hides its own code in the body. `overrides` wins. Undefined for a success (below 300).
 *
 * @example
 * const response = await ctx.http.post(url, { json, allowStatus: true })
 * const failure = errorOfStatus(response, ctx.clock.now())
 * if (failure) throw failure
 */
export function errorOfStatus(
  response: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
  now: number,
  overrides: Readonly<Record<number, PluginErrorCode>> = {},
): PluginError | undefined {
  const { status, headers } = response
  if (status < 300) return undefined
  const wait = retryAfterMs(headers['retry-after'], now)
  const code = overrides[status] ?? codeOfStatus(status, wait !== undefined)
  const details = { status }
  if (code === 'rate_limited') return PluginError.rateLimited(wait ?? defaultWaitMs, { details })
  return new PluginError(code, `the network answered ${status}`, { details })
}

function codeOfStatus(status: number, hasRetryAfter: boolean): PluginErrorCode {
  if (status === 429 || (status === 503 && hasRetryAfter)) return 'rate_limited'
  if (status === 401 || status === 403) return 'auth'
  if (status === 408 || status === 425 || status >= 500) return 'retryable'
  return 'permanent'
}
