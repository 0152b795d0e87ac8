import { hkdfSync } from 'node:crypto'
import type { Clock, Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import { redactEvent } from './analytics/redact.js'
import type { Config } from './config/contract.js'
import type { EventReader, EventWriter } from './events/contract.js'
import type { WayOut, WebhookService } from './events/webhooks/contract.js'
import { createWebhookService } from './events/webhooks/webhook-service.js'
import { createWebhookStore } from './events/webhooks/webhook-store.js'
import { createWebhooks, type Webhooks } from './events/webhooks/webhooks.js'
import type { Leases } from './jobs/contract.js'
import type { Tables } from './store/tables.js'

const DELIVERY_DAYS = 30

export interface WebhookDeps {
  readonly config: Pick<Config, 'webhooks'>
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly clock: Clock
  readonly reader: EventReader
  readonly events: EventWriter
  readonly egress: WayOut
  readonly leases: Leases
  readonly rootKey: Uint8Array
}

export interface WebhookParts extends Webhooks {
  readonly service: WebhookService
  /** Retention of the delivery log. */
  prune(): Promise<void>
}

/** A part of the composition root: outgoing webhooks. Used by kernel.ts alone. */
export function composeWebhooks(deps: WebhookDeps): WebhookParts {
  const { config, rootKey, ...rest } = deps
  const endpoints = config.webhooks ?? []
  const store = createWebhookStore(deps.db)
  // Hashes of one receiver mean nothing to another one.
  const salt = (id: string) => new Uint8Array(hkdfSync('sha256', rootKey, 'throughline', `webhook:${id}`, 32))
  return Object.freeze({
    ...createWebhooks({
      ...rest,
      endpoints,
      redact: (event, { id, pii }) => redactEvent(event, pii, salt(id)),
      random: Math.random,
    }),
    service: createWebhookService({ endpoints, db: deps.db, store, events: deps.events }),
    prune: () => store.prune(DELIVERY_DAYS),
  } satisfies WebhookParts)
}
