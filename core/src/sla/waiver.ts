import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { EventWriter } from '../events/contract.js'
import { retryTransaction } from '../store/retry-transaction.js'
import type { Tables } from '../store/tables.js'
import type { SlaService, WaiverContext, WaiverRecord } from './contract.js'
import { findWaivable, insertWaiver, type Waivable } from './waiver-store.js'

export interface WaiverDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
}

const REASON_MAX = 500
const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** Excuses breaches. What is counted stays counted: a waiver is a record beside its clock. */
export function createWaivers(deps: WaiverDeps): Pick<SlaService, 'waive'> {
  return Object.freeze({
    async waive(clock, { reason, conversation }, context) {
      const why = reasonOf(reason)
      const record = await retryTransaction(deps.db, async (trx) => {
        const found = uuid.test(clock) ? await findWaivable(trx, clock) : null
        if (found === null || (conversation !== undefined && conversation.toLowerCase() !== found.conversation)) {
          throw new ThroughlineError(
            'TL_COMMAND_NOT_FOUND',
            'there is no such clock; GET /v1/conversations/:id/clocks lists those of a conversation',
          )
        }
        const done = found.waiver === null ? await write(deps, trx, found, why, context) : same(found.waiver, why)
        await context.within?.(trx, { waiver: done })
        return done
      })
      deps.events.poke()
      return record
    },
  } satisfies Pick<SlaService, 'waive'>)
}

async function write(
  deps: WaiverDeps,
  trx: Transaction<Tables>,
  found: Waivable,
  reason: string,
  { actor, cause }: WaiverContext,
): Promise<WaiverRecord> {
  if (found.breachedAt === null) {
    throw new ThroughlineError(
      'TL_SLA_NOT_BREACHED',
      `the clock ${found.metric} ${found.cycle} is ${found.state} and not late; only a breach is waived`,
      { details: { state: found.state } },
    )
  }
  const { clock, conversation, metric, cycle, state, policy, breachedAt } = found
  const made = await insertWaiver(trx, { clock, conversation, reason, by: actor.id })
  if (made === null) {
    // Somebody else waived it at the same moment, and has committed.
    const theirs = await findWaivable(trx, clock)
    if (theirs?.waiver == null) throw new Error('a waiver is in the way of this one, and cannot be read')
    return same(theirs.waiver, reason)
  }
  const data = { clock, metric, cycle, state, policy, breachedAt: breachedAt.getTime(), reason }
  await deps.events.append(trx, [{ type: 'sla.waived', conversation, actor, cause: cause ?? null, data }])
  return made
}

function same(waiver: WaiverRecord, reason: string): WaiverRecord {
  if (waiver.reason === reason) return waiver
  throw new ThroughlineError(
    'TL_SLA_ALREADY_WAIVED',
    `${waiver.by} waived this clock at ${waiver.at.toISOString()} for another reason; a waiver does not change`,
    { details: { by: waiver.by, at: waiver.at.toISOString() } },
  )
}

/** One line: it is shown in lists and on terminals, which control characters would disturb. */
function reasonOf(text: string): string {
  const reason = text
    .replace(/\p{Cc}+/gu, ' ')
    .toWellFormed()
    .trim()
  const { length } = Array.from(reason)
  if (length >= 1 && length <= REASON_MAX) return reason
  const what = length === 0 ? 'must say why' : `has ${length} characters; ${REASON_MAX} is the most`
  throw new ThroughlineError('TL_COMMAND_INVALID', `/reason ${what}`, { details: { path: '/reason' } })
}
