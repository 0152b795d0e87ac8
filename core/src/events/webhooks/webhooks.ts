import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { WebhookConfig } from '../../config/contract.js'
import type { Leases } from '../../jobs/contract.js'
import { lead, type LeadDeps, type WebhookLimits } from './lead.js'
import { createWebhookStore, type WebhookStore } from './webhook-store.js'

export interface WebhooksDeps extends LeadDeps {
  readonly endpoints: readonly WebhookConfig[]
  readonly leases: Leases
  readonly limits?: Partial<WebhookLimits>
}

const minute = 60_000
const hour = 60 * minute
const defaults: WebhookLimits = Object.freeze({
  retryMs: [5_000, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour],
  breakerFailures: 5,
  breakerMs: 5_000,
  disableMs: 5 * 24 * hour,
  standbyMs: 2_000,
  leaseMs: 15_000,
  graceMs: 5_000,
})

export interface Webhooks {
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * One loop an endpoint and node; the lease `webhook:<id>` lets one node at a time through, so a slow receiver delays only
 * itself. Rows are made from the log by position and sent from the table: a node that dies loses nothing, and what it had
 * in hand is sent again under the same id (at least once). First tries go out in the order of positions, a few at a time.
 */
export function createWebhooks(deps: WebhooksDeps): Webhooks {
  const stopping = new AbortController()
  const loops: Promise<void>[] = []
  const store = createWebhookStore(deps.db)
  return Object.freeze({
    async start() {
      const urlDigest = (url: string): string => createHash('sha256').update(url).digest('hex')
      if (deps.endpoints.length === 0) return
      await store.sync(deps.endpoints.map(({ id, url }) => ({ id, urlDigest: urlDigest(url) })))
      for (const endpoint of deps.endpoints) {
        if (endpoint.enabled) loops.push(serve({ ...deps, store }, endpoint, stopping.signal))
      }
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  } satisfies Webhooks)
}

type Parts = WebhooksDeps & { readonly store: WebhookStore }

async function serve(deps: Parts, endpoint: WebhookConfig, signal: AbortSignal): Promise<void> {
  const limits = { ...defaults, ...deps.limits }
  while (!signal.aborted) {
    try {
      await deps.leases.whileHeld(`webhook:${endpoint.id}`, { signal, ttlMs: limits.leaseMs }, async (held) => {
        const cut = new AbortController()
        // A node that stops keeps the lease until its requests are answered; one that lost it must be silent at once.
        const onHeld = (): void => {
          if (signal.aborted) void delay(limits.graceMs, undefined, { ref: false }).then(() => cut.abort())
          else cut.abort()
        }
        held.addEventListener('abort', onHeld, { once: true })
        await lead({ ...deps, limits, endpoint, signal: held, cut: cut.signal })
      })
    } catch (err) {
      if (!signal.aborted) deps.log.warn({ webhook: endpoint.id, err }, 'a webhook was interrupted; it goes on')
    }
    await delay(limits.standbyMs, undefined, { signal }).catch(() => undefined)
  }
}
