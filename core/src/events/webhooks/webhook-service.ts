import type { Kysely } from 'kysely'
import type { WebhookConfig } from '../../config/contract.js'
import { ThroughlineError } from '../../errors.js'
import type { Tables } from '../../store/tables.js'
import type { EventWriter } from '../contract.js'
import type { WebhookEndpoint, WebhookService } from './contract.js'
import type { WebhookStore } from './webhook-store.js'

export interface WebhookServiceDeps {
  readonly endpoints: readonly WebhookConfig[]
  readonly db: Kysely<Tables>
  readonly store: WebhookStore
  readonly events: EventWriter
}

export function createWebhookService({ endpoints, db, store, events }: WebhookServiceDeps): WebhookService {
  const find = (id: string): WebhookConfig => {
    const found = endpoints.find((endpoint) => endpoint.id === id)
    if (found !== undefined) return found
    throw new ThroughlineError('TL_REQUEST_NOT_FOUND', `there is no webhook ${id}: see webhooks in the configuration`)
  }
  return Object.freeze({
    async list() {
      if (endpoints.length === 0) return []
      const states = new Map((await store.states()).map((state) => [state.id, state]))
      return endpoints.map(({ id, url, events: types, enabled }): WebhookEndpoint => {
        const at = states.get(id)
        const disabled = at?.disabled ?? null
        const paused = (at?.pausedMs ?? 0) > 0
        return {
          id,
          host: new URL(url).origin,
          events: types,
          state: !enabled ? 'off' : disabled !== null ? 'disabled' : paused ? 'paused' : 'running',
          reason: disabled,
          position: at?.position ?? 0,
          failures: at?.failures ?? 0,
          waiting: at?.waiting ?? 0,
        }
      })
    },
    async deliveries(endpoint, { before, limit }) {
      return store.deliveries(find(endpoint).id, before ?? null, limit)
    },
    async replay(endpoint, which, actor) {
      const { id, events: types } = find(endpoint)
      const [from, to] = 'position' in which ? [which.position, which.position] : [which.since, null]
      const found = await db.transaction().execute(async (trx) => {
        const result = await store.replay(trx, id, types, from, to)
        // Thrown inside: an endpoint is not enabled by a request that did nothing.
        if (result.replayed === 0 && to !== null) throw notThere(id, to)
        const data = { webhook: id, from, to: result.last, count: result.replayed }
        await events.append(trx, [{ type: 'webhook.replayed', actor, data }])
        return result
      })
      events.poke()
      return found
    },
  } satisfies WebhookService)
}

function notThere(id: string, position: number): ThroughlineError {
  return new ThroughlineError(
    'TL_REQUEST_NOT_FOUND',
    `event ${position} is not for the webhook ${id}, or the log does not hold it any more: see its deliveries`,
  )
}
