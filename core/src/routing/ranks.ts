import type { NewEvent } from '../events/contract.js'
import type { WorkRanks } from './contract.js'
import { boostItems, raisePriorities, rankByPromise } from './rank-store.js'
import { headStart } from './units.js'
import { SYSTEM } from './work-events.js'

const HEAD_STARTS = Object.freeze({
  urgent: headStart('urgent'),
  high: headStart('high'),
  normal: headStart('normal'),
  low: headStart('low'),
})

/** What promises do to the order of work. */
export const workRanks: WorkRanks = Object.freeze({
  promise: rankByPromise,
  boost: boostItems,
  raise: async (trx, raises): Promise<readonly NewEvent[]> =>
    (await raisePriorities(trx, raises, HEAD_STARTS)).map((row) => ({
      type: 'conversation.updated',
      conversation: row.id,
      contact: row.contact,
      actor: SYSTEM.actor,
      data: { changed: ['priority'], priority: row.priority, tags: row.tags, version: row.version },
    })),
} satisfies WorkRanks)
