import { AsyncLocalStorage } from 'node:async_hooks'

/** Whose code runs, followed through timers and promises: errors nobody caught are laid at the right door. */
export interface Attribution {
  readonly instance: string
  /** Aborted: this work lost its lease or its instance stopped; it must not write any more. */
  readonly signal: AbortSignal
}

const storage = new AsyncLocalStorage<Attribution>()

export function attributed<T>(attribution: Attribution, run: () => T): T {
  return storage.run(attribution, run)
}

export function currentAttribution(): Attribution | undefined {
  return storage.getStore()
}
