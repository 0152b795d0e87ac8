import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import { clocksOf, explanationOf, openClocks } from './clock-read-store.js'
import type { SlaService } from './contract.js'

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** The questions about clocks; also for commands, which run none. */
export function createSlaReader(db: Kysely<Tables>): Pick<SlaService, 'clocksOf' | 'openClocks' | 'explain'> {
  return Object.freeze({
    clocksOf: async (conversation) => (uuid.test(conversation) ? clocksOf(db, conversation) : []),
    async openClocks(conversations) {
      const ids = conversations.filter((id) => uuid.test(id))
      return ids.length === 0 ? new Map() : openClocks(db, ids)
    },
    async explain(conversation) {
      const found = uuid.test(conversation) ? await explanationOf(db, conversation) : null
      return found === null ? null : { ...found, clocks: await clocksOf(db, conversation) }
    },
  } satisfies Pick<SlaService, 'clocksOf' | 'openClocks' | 'explain'>)
}
