import { getEventListeners } from 'node:events'

/** How many listeners and weak references hang at a signal: what never sinks is a leak. */
export function leftAt(signal: AbortSignal): number {
  // Node's own set of what `AbortSignal.any` made; `pause.test.ts` says when it goes by another name.
  const dependants = Object.getOwnPropertySymbols(signal).find((key) => key.description === 'kDependantSignals')
  const set = dependants && (Reflect.get(signal, dependants) as { readonly size: number } | null | undefined)
  return getEventListeners(signal, 'abort').length + (set?.size ?? 0)
}
