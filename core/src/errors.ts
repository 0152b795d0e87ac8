import { catalogue, type ErrorCode } from './errors-catalogue.js'

export type { ErrorCode } from './errors-catalogue.js'

/**
 * The engine's one error class: a code out of the closed catalogue, a message that says what happened, where and how
 * to fix it, and the cause. Messages never hold customers' text or secrets: they reach logs and operators' screens.
 */
export class ThroughlineError extends Error {
  override readonly name = 'ThroughlineError'
  readonly code: ErrorCode
  /** HTTP status the code maps to, for problem+json answers. */
  readonly status: number
  /** Plain data for machines: ids, paths, limits. Never customers' text. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = catalogue[code].status
    this.details = Object.freeze({ ...options.details })
  }
}

/** True for an error of ours; by code, not by class, so that a second copy of the module does not matter. */
export function isThroughlineError(error: unknown): error is ThroughlineError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code in catalogue
}
