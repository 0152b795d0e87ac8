import { isPluginError, type Logger, type OutboundPart, type Sent } from '@throughline/plugin-sdk'
import type { ChannelInstance } from '../plugins/contract.js'
import { failPoint } from '../store/fail-point.js'
import type { ClaimedSend } from './lane-store.js'
import { outcomeOf, type Outcome } from './outcome.js'
import { mintReplyToken } from './reply-token.js'
import { sqlState } from './sql-state.js'

export interface AttemptDeps {
  readonly log: Logger
  readonly replyTokenKey: Uint8Array
  /** 0 ≤ random < 1 */
  readonly random: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

export interface AttemptInput {
  readonly instance: ChannelInstance
  readonly send: ClaimedSend
  readonly references: Promise<ReadonlyMap<string, readonly string[]>>
  readonly timeoutMs: number
  /** Monotonic time after which the lease could end while the plugin still sends. */
  readonly startBefore: number
}

/** One call of the plugin's `send`, outside any transaction. Never throws: whatever happens is an outcome. */
export async function attemptSend(deps: AttemptDeps, input: AttemptInput): Promise<Outcome> {
  const { instance, send } = input
  let part: OutboundPart
  try {
    await failPoint?.('deliver.claimed')
    part = partOf(deps, send, (await input.references).get(send.id) ?? [])
  } catch (error) {
    deps.log.warn({ channel: send.channel, code: sqlState(error) ?? 'unknown' }, 'a send could not be prepared')
    return giveBack(send, 1_000)
  }
  // This process may have stood still since the claim; sending now could meet somebody who took over.
  if (deps.monotonic() > input.startBefore) return giveBack(send, 0)
  try {
    const sent = await instance.call('send', input.timeoutMs, (live, signal) =>
      live.send(part, { signal, attempt: send.attempts }),
    )
    return sentOutcome(deps, send, sent)
  } catch (error) {
    const outcome = outcomeOf(error, {
      attempts: send.attempts,
      bugs: send.bugs,
      replanned: send.replanned,
      idempotent: instance.capabilities(send.thread)?.idempotentSend === true,
      live: instance.live !== null,
      random: deps.random(),
    })
    note(deps, send, outcome, error)
    if (outcome.kind === 'hold') instance.report(outcome.report, messageOf(error))
    return outcome
  }
}

function partOf(deps: AttemptDeps, send: ClaimedSend, references: readonly string[]): OutboundPart {
  return {
    id: send.id,
    idempotencyKey: send.id,
    thread: { id: send.thread },
    replyToken: mintReplyToken(deps.replyTokenKey, send.conversation, send.thread),
    ...send.part,
    ...(references.length > 0 ? { references } : {}),
  }
}

/** It has left, whatever the plugin says about it: an answer without an id is a fault to mend, not a reason to repeat. */
function sentOutcome(deps: AttemptDeps, send: ClaimedSend, sent: Sent | undefined): Outcome {
  const id: unknown = sent?.externalId
  const usable = typeof id === 'string' && id !== '' && id.length <= 512 && !id.includes('\0')
  if (!usable) {
    deps.log.warn({ channel: send.channel, send: send.id }, 'send gave no usable externalId; receipts will not match')
  }
  const state = sent?.status === 'delivered' ? 'delivered' : 'sent'
  return { kind: 'sent', state, externalId: usable ? id : null }
}

/** Nothing was tried: no attempt is used up. */
export function giveBack(send: ClaimedSend, delayMs: number): Outcome {
  const { attempts, bugs } = send
  return { kind: 'retry', code: 'not_tried', reason: 'It is tried again.', delayMs, attempts: attempts - 1, bugs }
}

function note(deps: AttemptDeps, send: ClaimedSend, outcome: Outcome, error: unknown): void {
  const fields = {
    channel: send.channel,
    send: send.id,
    attempt: send.attempts,
    outcome: outcome.kind === 'end' ? outcome.state : outcome.kind,
    code: 'code' in outcome ? outcome.code : null,
  }
  if (fields.code !== 'bug') deps.log.info(fields, 'a send did not succeed')
  // Name and place only: the message of an unexpected error may quote the request, and with it the customer.
  else deps.log.error({ ...fields, error: nameOf(error), at: placeOf(error) }, 'a channel plugin failed in send')
}

function messageOf(error: unknown): string {
  return isPluginError(error) ? error.message.slice(0, 300) : 'the network refused the credentials'
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}

function placeOf(error: unknown): string | null {
  const frame = error instanceof Error ? error.stack?.split('\n').find((line) => /^\s+at /.test(line)) : undefined
  return frame?.trim() ?? null
}
