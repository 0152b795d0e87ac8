import type { ErrorCode } from '../errors.js'
import type { OutboundService } from '../outbound/contract.js'
import type { QueueHours } from './hours.js'
import { claimAnswer, databaseNow, recordAnswer, untold, type Untold } from './opening-store.js'
import { transact, type TransactDeps } from './transact.js'

export interface ClosedAnswerDeps extends TransactDeps {
  readonly hours: QueueHours
  /** null: nothing can be said here (tests, tools). */
  readonly outbound: (() => Pick<OutboundService, 'queue' | 'wake'>) | null
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
}

const TEMPLATE = 'out-of-hours'
const PAGE = 200
/** The channel may come back: it is tried again with the next sweep. Anything else would fail again. */
const LATER: readonly (string | undefined)[] = ['TL_CHANNEL_UNAVAILABLE'] satisfies ErrorCode[]

/**
 * Tells customers whose conversation waits for an opening when that is, in their own time zone. Once a conversation and
 * closed period, whoever asks and however often: the row of `closed_answer` is the key, written in the transaction that
 * queues the message. Said by the engine itself, so it counts as automatic and is no reply. Items are made by customers'
 * own messages only, so nothing automatic is answered. Locks: the key, then the conversation.
 */
export async function answerClosed(deps: ClosedAnswerDeps, signal?: AbortSignal): Promise<number> {
  if (deps.outbound === null) return 0
  const outbound = deps.outbound()
  let said = 0
  for (const to of await untold(deps.db, PAGE)) {
    if (signal?.aborted === true) break
    try {
      said += (await sayOnce(deps, outbound, to)) ? 1 : 0
    } catch (error) {
      const { code } = error as { code?: string }
      if (LATER.includes(code)) continue
      deps.log.warn({ conversation: to.conversation, code }, 'the automatic answer of a closed queue was not sent')
      if (code?.startsWith('TL_') === true) await transact(deps, (trx) => claimAnswer(trx, to, code))
    }
  }
  if (said > 0) outbound.wake()
  return said
}

async function sayOnce(deps: ClosedAnswerDeps, outbound: Pick<OutboundService, 'queue'>, to: Untold): Promise<boolean> {
  const now = await databaseNow(deps.db)
  const state = deps.hours.state(to.queue, now)
  // Open meanwhile: the sweep lets the item in, there is nothing to tell.
  if (state.open) return false
  const said = await transact(deps, async (trx) => {
    if (!(await claimAnswer(trx, to, 'queued'))) return false
    const values = {
      customer: { name: to.name, language: to.language },
      opensAt: to.opensAt?.toISOString() ?? null,
      timeZone: knownZone(to.timeZone) ?? state.timeZone,
    }
    const { messageId } = await outbound.queue(
      {
        conversation: to.conversation,
        parts: [],
        template: { name: TEMPLATE, values },
        author: { kind: 'system', id: null },
        cause: 'closed',
      },
      trx,
    )
    await recordAnswer(trx, to, messageId)
    return true
  })
  if (said) deps.events.poke()
  return said
}

/** Customers' clients send what they like. */
function knownZone(zone: string | null): string | null {
  if (zone === null) return null
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone
  } catch {
    return null
  }
}
