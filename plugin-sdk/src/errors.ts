const ERROR_BRAND = Symbol.for('throughline.error')

/** The closed set of failures; the table in docs/guides/write-a-channel.md says what the core does with each. */
export type PluginErrorCode =
  | 'retryable'
  | 'rate_limited'
  | 'auth'
  | 'config'
  | 'recipient'
  | 'window_closed'
  | 'unsupported'
  | 'permanent'
  | 'uncertain'
  | 'bug'

export type RateLimitScope = 'channel' | 'thread'

export type PluginErrorOptions = {
  /** Milliseconds to wait, for `rate_limited`. */
  readonly retryAfterMs?: number
  /** What has to wait, for `rate_limited`: the whole channel (default), or only the thread of this part. */
  readonly scope?: RateLimitScope
  /** A sentence that may be shown to the agent. */
  readonly userMessage?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * The one error a plugin throws on purpose. Anything else thrown counts as `bug`.
 *
 * @example throw new PluginError('recipient', 'the customer blocked the bot', { userMessage: 'Blocked by the customer' })
 */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  readonly code: PluginErrorCode
  readonly retryAfterMs?: number
  readonly scope?: RateLimitScope
  readonly userMessage?: string
  readonly details?: Readonly<Record<string, unknown>>

  constructor(code: PluginErrorCode, message: string, options: PluginErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
    if (options.scope !== undefined) this.scope = options.scope
    if (options.userMessage !== undefined) this.userMessage = options.userMessage
    if (options.details !== undefined) this.details = options.details
    Object.defineProperty(this, ERROR_BRAND, { value: true })
  }

  /** The network asks to wait. `ms`: until when, from now. No attempt is consumed. `scope: 'thread'`: others go on. */
  static rateLimited(ms: number, options: PluginErrorOptions = {}): PluginError {
    return new PluginError('rate_limited', `rate limited for ${ms} ms`, { ...options, retryAfterMs: ms })
  }
}

/** Recognises a PluginError of any copy of the SDK: by brand, never by class. */
export function isPluginError(error: unknown): error is PluginError {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[ERROR_BRAND] === true
}
