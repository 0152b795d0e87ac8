import type { Logger } from '@throughline/plugin-sdk'
import type { Leases, Periodic } from './contract.js'

export interface PeriodicDeps {
  readonly leases: Leases
  readonly log: Logger
}

/**
 * One loop a name and node; the lease row `every:<name>` lets one node at a time through and remembers, in database time,
 * when the work last began. A tenth of slack in what counts as due keeps a single node from missing its own beat.
 */
export function createPeriodic({ leases, log }: PeriodicDeps): Periodic & { stop(): Promise<void> } {
  const running = new Set<() => Promise<void>>()
  return Object.freeze({
    every(name, ms, run) {
      const stopping = new AbortController()
      let timer: NodeJS.Timeout | undefined
      let turn: Promise<void> = Promise.resolve()
      const beat = async (): Promise<void> => {
        try {
          await leases.whileHeld(`every:${name}`, { dueMs: ms * 0.9, signal: stopping.signal }, run)
        } catch (error) {
          if (!stopping.signal.aborted) log.warn({ task: name, code: codeOf(error) }, 'a periodic task failed')
        }
        if (!stopping.signal.aborted) timer = setTimeout(next, ms * (0.95 + Math.random() * 0.1))
      }
      const next = (): void => {
        turn = beat()
      }
      timer = setTimeout(next, Math.random() * Math.min(ms, 1_000))
      const stop = async (): Promise<void> => {
        running.delete(stop)
        stopping.abort()
        clearTimeout(timer)
        await turn
      }
      running.add(stop)
      return stop
    },
    async stop() {
      await Promise.all([...running].map((stop) => stop()))
    },
  } satisfies Periodic & { stop(): Promise<void> })
}

/** What may be logged of an error: its code or name. Messages of the database can quote rows. */
export function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : typeof error
}
