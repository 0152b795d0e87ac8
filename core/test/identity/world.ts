import type { StoredEvent } from '../../src/events/contract.js'
import type { IdentityService } from '../../src/identity/contract.js'
import { createIdentity } from '../../src/identity/identity-service.js'
import { createIds } from '../../src/ids.js'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { pipeline, type Pipeline } from '../support/pipeline.js'

export interface World {
  readonly store: Store
  readonly pipe: Pipeline
  readonly identity: IdentityService
  readonly events: StoredEvent[]
  /** Everything that says who is who, with versions and the records of joins left out. */
  dump(): Promise<Readonly<Record<string, unknown[]>>>
  /** Waits until there are as many suggestions: they are made after the commit that the timeline shows. */
  suggested(count: number): Promise<void>
  /** The contact whose identifier has this value. */
  contactOf(value: string): Promise<string>
}

/** A real database with the way of a message and the identity service on it. */
export async function identityWorld(
  t: { teardown(fn: () => void | Promise<void>): void },
  more: { readonly normalise?: (kind: string, value: string) => Promise<string> } = {},
): Promise<World> {
  const store = await withDatabase(t)
  const pipe = await pipeline(store)
  t.teardown(() => pipe.stop())
  const events: StoredEvent[] = []
  pipe.reader.subscribe((batch) => events.push(...batch))
  const identity = createIdentity({ db: store.db, ids: createIds(systemClock), events: pipe.sequencer, ...more })
  return {
    store,
    pipe,
    identity,
    events,
    async dump() {
      const tables: Record<string, string> = {
        contact: `select id, name, language, time_zone, tier, attributes, account_manager, consent, joined_into from contact`,
        identifier: `select id, contact_id, kind, value, assurance, resolves, evidence, channel from identifier`,
        conversation: `select id, contact_id, status, subject, priority, assignee, tags, last_touchpoint, last_message_at,
          last_inbound_at, waiting_since, joined_into, related_to from conversation`,
        touchpoint: `select id, conversation_id, contact_id, channel, thread, last_inbound_at from touchpoint`,
        message: `select id, conversation_id, touchpoint_id, text, direction from message`,
        identity_suggestion: `select id, contact_a, contact_b, kind, value, state, decided_at, decided_by
          from identity_suggestion`,
        send: 'select id, conversation_id, touchpoint_id from send',
      }
      const result: Record<string, unknown[]> = {}
      for (const [name, query] of Object.entries(tables)) {
        result[name] = (await store.pool.query<Record<string, unknown>>(`${query} order by 1`)).rows
      }
      return result
    },
    async suggested(count) {
      for (let tries = 0; tries < 400; tries++) {
        const { rows } = await store.pool.query<{ n: number }>('select count(*)::int as n from identity_suggestion')
        if (rows[0]!.n >= count) return
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error(`there are no ${count} suggestions after 10 s`)
    },
    async contactOf(value) {
      const { rows } = await store.pool.query<{ id: string }>(
        'select distinct contact_id as id from identifier where value = $1',
        [value],
      )
      if (rows.length !== 1) throw new Error(`${rows.length} contacts have ${value}`)
      return rows[0]!.id
    },
  }
}
