import { randomUUID } from 'node:crypto'
import { linkSignals } from '../clock.js'
import type { Leases } from './contract.js'
import type { LeaseStore } from './lease-store.js'

const defaultTtlMs = 15_000

export interface LeasesDeps {
  readonly store: LeaseStore
  readonly node: string
}

/**
 * Leases are renewed at a third of their time. The holder counts its own deadline from before the query was sent, on the
 * monotonic clock, so it lets go no later than the database would give the lease to somebody else.
 */
export function createLeases({ store, node }: LeasesDeps): Leases {
  return Object.freeze({
    async whileHeld(name, options, run) {
      const ttlMs = options.ttlMs ?? defaultTtlMs
      if (options.signal.aborted) return false
      const token = randomUUID()
      const asked = performance.now()
      if (!(await store.acquire({ name, node, token, ttlMs, dueMs: options.dueMs ?? null }))) return false
      const holding = keep({ store, name, token, ttlMs, until: asked + ttlMs, signal: options.signal })
      try {
        await run(holding.signal)
      } finally {
        await holding.stop()
        // A release that fails costs the others one ttl, never the order.
        await store.release(name, token).catch(() => undefined)
      }
      return true
    },
  } satisfies Leases)
}

interface Holding {
  readonly signal: AbortSignal
  stop(): Promise<void>
}

function keep(lease: {
  readonly store: LeaseStore
  readonly name: string
  readonly token: string
  readonly ttlMs: number
  readonly until: number
  readonly signal: AbortSignal
}): Holding {
  const lost = new AbortController()
  const lose = (): void => lost.abort(new Error(`the lease ${lease.name} was lost`))
  let deadline = setTimeout(lose, Math.max(0, lease.until - performance.now()))
  let renewing: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    const asked = performance.now()
    renewing = lease.store.renew(lease.name, lease.token, lease.ttlMs).then(
      (mine) => {
        if (stopped) return
        if (!mine) return lose()
        clearTimeout(deadline)
        deadline = setTimeout(lose, Math.max(0, asked + lease.ttlMs - performance.now()))
      },
      // The database is away: the deadline decides.
      () => undefined,
    )
  }, lease.ttlMs / 3)
  let stopped = false
  const either = linkSignals(lease.signal, lost.signal)
  return {
    signal: either.signal,
    async stop() {
      stopped = true
      either.release()
      clearInterval(timer)
      clearTimeout(deadline)
      await renewing
    },
  }
}
