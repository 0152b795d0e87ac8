import { isThroughlineError } from '../errors.js'
import type { HeldSends } from './contract.js'
import { heldByChannel, heldMessages } from './held-store.js'
import { retryMessage, type RetryDeps } from './queue.js'

/**
 * What a restore found on its way and holds as `unknown`: it may have left after the backup was made. Released messages go to
 * the end of their lanes, in their old order, under their old keys. Safe to repeat: what was released is held no more.
 */
export function createHeldSends(deps: Omit<RetryDeps, 'written' | 'watched'>): HeldSends {
  // No plugin is loaded here. A wake-up nobody waits for costs nothing.
  const retrying: RetryDeps = { ...deps, written: () => undefined, watched: () => true }
  return Object.freeze({
    list: () => heldByChannel(deps.db),
    async release(channel) {
      let released = 0
      for (const id of await heldMessages(deps.db, channel)) {
        try {
          await retryMessage(retrying, id, { actor: { kind: 'system', id: null }, cause: undefined, within: undefined })
          released += 1
        } catch (error) {
          // An agent was faster.
          if (!isThroughlineError(error) || error.code !== 'TL_COMMAND_CONFLICT') throw error
        }
      }
      return released
    },
  } satisfies HeldSends)
}
