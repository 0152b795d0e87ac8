import { setTimeout as delay } from 'node:timers/promises'
import { PluginError, isPluginError } from '@throughline/plugin-sdk'
import type { Leases } from '../jobs/contract.js'
import { attributed } from './attribution.js'
import { backoffMs } from './backoff.js'

export interface ConnectorDeps {
  readonly instance: string
  readonly connect: (signal: AbortSignal, ready: () => void) => Promise<void>
  readonly leases: Leases
  /** Ends the loop. */
  readonly signal: AbortSignal
  readonly random: () => number
  readonly now: () => number
  /** Connected, or another node is (then this one stands by). */
  readonly onReady: () => void
  /** Not connected. `retryAt`: when it is tried again; null: not any more. */
  readonly onTrouble: (error: unknown, retryAt: number | null) => void
  readonly limits?: ConnectorLimits
}

export interface ConnectorLimits {
  /** How often a node that stands by asks for the lease. */
  readonly standbyMs: number
  /** Without `ready` for so long, the instance counts as degraded. */
  readonly readyMs: number
  /** How long an aborted connect() may take to return. */
  readonly graceMs: number
}

const defaults: ConnectorLimits = { standbyMs: 5_000, readyMs: 30_000, graceMs: 5_000 }
/** Connected for so long, an end counts as a first failure again. */
const steadyMs = 60_000

/**
 * Runs connect() on one node at a time, under the lease `connect:<instance>`, again and again with backoff. Resolves when
 * the signal aborts or the settings are wrong. Two runs never overlap on this node: one that ignores its signal blocks
 * the next. Between nodes the lease decides, and an aborted run's events are refused (see context).
 */
export async function runConnector(deps: ConnectorDeps): Promise<void> {
  const { signal, leases, instance } = deps
  const limits = deps.limits ?? defaults
  const pause = (ms: number): Promise<unknown> => delay(ms, undefined, { signal }).catch(() => undefined)
  let failures = 0
  let lingering: Promise<unknown> = Promise.resolve()

  while (!signal.aborted) {
    let readyAt: number | null = null
    try {
      await Promise.race([lingering, aborted(signal)])
      if (signal.aborted) return
      const held = await leases.whileHeld(`connect:${instance}`, { signal }, async (mine) => {
        const late = setTimeout(() => {
          deps.onTrouble(
            new PluginError('retryable', `not connected after ${limits.readyMs / 1000} s; still trying`),
            deps.now(),
          )
        }, limits.readyMs)
        const ready = (): void => {
          if (mine.aborted) return
          clearTimeout(late)
          readyAt ??= performance.now()
          deps.onReady()
        }
        const run = attributed({ instance, signal: mine }, async () => deps.connect(mine, ready))
        lingering = run.catch(() => undefined)
        try {
          await Promise.race([run, aborted(mine).then(() => delay(limits.graceMs, undefined, { ref: false }))])
        } finally {
          clearTimeout(late)
        }
        if (!mine.aborted)
          throw new PluginError('retryable', 'connect() returned; it should run until its signal aborts')
      })
      if (!held) {
        deps.onReady()
        await pause(limits.standbyMs)
      }
    } catch (error) {
      if (signal.aborted) return
      if (isPluginError(error) && error.code === 'config') return deps.onTrouble(error, null)
      if (readyAt !== null && performance.now() - readyAt > steadyMs) failures = 0
      const asked = isPluginError(error) && error.code === 'rate_limited' ? error.retryAfterMs : undefined
      const wait = asked ?? backoffMs(failures++, deps.random)
      deps.onTrouble(error, deps.now() + wait)
      await pause(wait)
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
