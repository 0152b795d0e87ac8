import type { Capabilities } from '@throughline/plugin-sdk'
import type { Kysely, Transaction } from 'kysely'
import type { EventWriter } from '../events/contract.js'
import { failPoint } from '../store/fail-point.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import { endRest, lapsedSends, replacePart, writeResult, type ClaimedSend } from './lane-store.js'
import { pauseLanes, threadKey } from './limit-store.js'
import { messageEvent, settleMessages } from './message-state-store.js'
import { lapsedOutcome, type Outcome } from './outcome.js'
import { plan, withoutContent, type PlanResult } from './plan.js'
import { applyEarly } from './receipts.js'
import { retryTransaction } from '../store/retry-transaction.js'
import type { StoredPart } from './stored-part.js'

export interface RecordDeps {
  readonly db: Kysely<Tables>
  readonly ids: Ids
  readonly events: EventWriter
  readonly watched: (channel: string) => boolean
  readonly fileUrl: (key: string) => string
  readonly capabilities: (channel: string, thread: string) => Capabilities | null
  /** Configured channels whose plugin is not loaded (yet): nobody knows what they can do. */
  readonly unloaded: () => readonly string[]
}

/** Pause before a held instance is tried with this part again, should it claim to be well at once. */
const HOLD_MS = 5_000

/**
 * Writes what an attempt came to: send, message and event in one transaction. Locks: the send by its claim token, then
 * the message. Idempotency key: the claim token, which the first write takes away. False: somebody else took over.
 */
export async function recordOutcome(deps: RecordDeps, send: ClaimedSend, outcome: Outcome): Promise<boolean> {
  if (outcome.kind === 'pause') {
    const what = outcome.scope === 'thread' ? threadKey(send.channel, send.thread) : send.channel
    await pauseLanes(deps.db, what, outcome.delayMs, outcome.code)
  }
  const replanned = outcome.kind === 'replan' ? replan(deps, send) : null
  const held = await retryTransaction(deps.db, async (trx) => {
    if (replanned) {
      const { content: _, text: __, ...kept } = send.part
      const parts = replanned.parts.map((part): StoredPart => ({ ...kept, ...part }))
      return replacePart(trx, send, parts, replanned, deps.ids)
    }
    const written = await writeOutcome(deps, trx, send, outcome)
    await failPoint?.('deliver.before-commit')
    return written
  })
  await failPoint?.('deliver.recorded')
  if (held) deps.events.poke()
  return held
}

async function writeOutcome(
  deps: RecordDeps,
  trx: Transaction<Tables>,
  send: ClaimedSend,
  outcome: Outcome,
): Promise<boolean> {
  switch (outcome.kind) {
    case 'sent': {
      if (!(await writeResult(trx, send, { state: outcome.state, externalId: outcome.externalId }))) return false
      const early =
        outcome.externalId === null ? [] : await applyEarly(trx, { channel: send.channel, target: outcome.externalId })
      await settle(deps, trx, send, early.at(-1) ?? {})
      return true
    }
    case 'retry': {
      const { code, reason, delayMs, attempts, bugs } = outcome
      // The message stays `sending` between two tries: that it is tried again is no news to anybody.
      return writeResult(trx, send, { state: 'queued', code, reason, retryInMs: delayMs, attempts, bugs })
    }
    case 'pause':
    case 'hold': {
      const { code, reason } = outcome
      const retryInMs = outcome.kind === 'hold' ? HOLD_MS : 0
      const attempts = send.attempts - 1
      if (!(await writeResult(trx, send, { state: 'queued', code, reason, retryInMs, attempts }))) return false
      await settle(deps, trx, send, outcome)
      return true
    }
    case 'replan':
    case 'end': {
      const state = outcome.kind === 'end' ? outcome.state : 'failed'
      if (!(await writeResult(trx, send, { state, code: outcome.code, reason: outcome.reason }))) return false
      await endRest(trx, [send.id])
      await settle(deps, trx, send, outcome)
      return true
    }
  }
}

async function settle(
  deps: RecordDeps,
  trx: Transaction<Tables>,
  send: ClaimedSend,
  why: { readonly code?: string | null; readonly reason?: string | null },
): Promise<void> {
  const changes = await settleMessages(trx, [send.messageId])
  const trigger = { sendId: send.id, code: why.code ?? null, reason: why.reason ?? null }
  await deps.events.append(
    trx,
    changes.map((change) => messageEvent(change, { ...trigger, watched: deps.watched(change.channel) })),
  )
}

/** The part without what the channel refused; null where there is nothing simpler. */
function replan(deps: RecordDeps, send: ClaimedSend): PlanResult | null {
  const capabilities = deps.capabilities(send.channel, send.thread)
  const simpler = capabilities && withoutContent(capabilities, send.part.content)
  if (!simpler) return null
  try {
    const result = plan([send.part.content], simpler, { fileUrl: deps.fileUrl })
    return result.parts.length > 0 ? result : null
  } catch {
    // The channel rejects the simpler form as well: the part fails with the reason the network gave.
    return null
  }
}

/**
 * Settles sends whose node died or stood still with the claim in hand. Locks: the sends (skipping those in work), then
 * the messages. What a channel without its plugin had in hand waits for it, ten minutes at most: only the plugin says whether
 * the network drops repeats. Answers the channels that have something to send again.
 */
export async function recoverLapsed(deps: RecordDeps): Promise<ReadonlySet<string>> {
  const again = new Set<string>()
  for (let count = BATCH; count === BATCH;) {
    count = await retryTransaction(deps.db, async (trx) => {
      const sends = await lapsedSends(trx, BATCH, deps.unloaded())
      for (const send of sends) {
        const idempotent = deps.capabilities(send.channel, send.thread)?.idempotentSend === true
        const outcome = lapsedOutcome({ attempts: send.attempts, idempotent })
        if (outcome.kind === 'retry') again.add(send.channel)
        await writeOutcome(deps, trx, send, outcome)
      }
      return sends.length
    })
    if (count > 0) deps.events.poke()
  }
  return again
}

const BATCH = 100
