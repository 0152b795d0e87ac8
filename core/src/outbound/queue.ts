import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { EventWriter } from '../events/contract.js'
import type { Actor } from '../identity/contract.js'
import type { Ids } from '../ids.js'
import type { Jobs } from '../jobs/contract.js'
import type { Tables } from '../store/tables.js'
import type { OutgoingMessage, SendPlan } from './contract.js'
import { messageEvent, settleMessages } from './message-state-store.js'
import { messageText } from './plain-text.js'
import { checkWindow, isUuid, notFound, prepare, type PrepareDeps, type Prepared } from './prepare.js'
import { retryTransaction } from '../store/retry-transaction.js'
import {
  agentName,
  bumpConversation,
  cancelSends,
  externalIdOf,
  insertMessage,
  lastInbound,
  readConversation,
  readOutbound,
  requeueSends,
  type OutRow,
} from './send-store.js'
import { subjectLine, type StoredPart } from './stored-part.js'

export interface QueueDeps extends PrepareDeps {
  readonly db: Kysely<Tables>
  readonly ids: Ids
  readonly events: EventWriter
  readonly jobs: Pick<Jobs, 'add'>
  /** This node delivers what is written to this channel; `written` wakes it. */
  readonly deliversHere?: (channel: string) => boolean
  readonly watched: (channel: string) => boolean
  /** The rows of this channel are written; `committed`: and visible to everybody. */
  readonly written: (channel: string, committed: boolean) => void
}

/** What trying again and taking back need. */
export type RetryDeps = Pick<QueueDeps, 'db' | 'ids' | 'events' | 'jobs' | 'deliversHere' | 'watched' | 'written'>

export const DELIVER_TASK = 'deliver'

export async function preview(deps: QueueDeps, message: OutgoingMessage): Promise<SendPlan> {
  const prepared = await prepare(deps, deps.db, message, false)
  return {
    channel: prepared.touchpoint.channel,
    touchpoint: prepared.touchpoint.id,
    parts: prepared.plan.parts.map((part) => part.content),
    losses: prepared.plan.losses,
    window: prepared.window,
  }
}

/**
 * Lock: the conversation row, FOR NO KEY UPDATE, for the whole transaction. Idempotency: the caller's (a command's stored
 * result in the same transaction); each part's id is its key towards the network.
 */
export async function queueMessage(
  deps: QueueDeps,
  message: OutgoingMessage,
  trx?: Transaction<Tables>,
): Promise<{ readonly messageId: string; readonly losses: readonly string[] }> {
  const write = async (
    within: Transaction<Tables>,
  ): Promise<{ messageId: string; channel: string; losses: readonly string[] }> => {
    const prepared = await prepare(deps, within, message, true)
    checkWindow(prepared)
    return writeMessage(deps, within, message, prepared)
  }
  const written = await (trx ? write(trx) : retryTransaction(deps.db, write))
  deps.written(written.channel, trx === undefined)
  if (!trx) deps.events.poke()
  return { messageId: written.messageId, losses: written.losses }
}

async function writeMessage(
  deps: QueueDeps,
  trx: Transaction<Tables>,
  message: OutgoingMessage,
  prepared: Prepared,
): Promise<{ messageId: string; channel: string; losses: readonly string[] }> {
  const { conversation, touchpoint } = prepared
  const messageId = deps.ids()
  const replyTo = await replyTarget(trx, message, prepared)
  const subject = conversation.subject === null ? null : subjectLine(conversation.subject)
  const author = { kind: message.author.kind, name: await authorName(trx, message.author) }
  const sends = prepared.plan.parts.map((part): { id: string; part: StoredPart } => ({
    id: deps.ids(),
    part: { ...part, author, ...(replyTo === null ? {} : { replyTo }), ...(subject ? { subject } : {}) },
  }))
  const version = await insertMessage(trx, {
    id: messageId,
    conversation: conversation.id,
    touchpoint,
    author: message.author,
    text: messageText(prepared.parts),
    parts: prepared.parts,
    subject,
    replyTo,
    losses: prepared.plan.losses,
    numbered: prepared.plan.numbered,
    sends,
  })
  const watched = deps.watched(touchpoint.channel)
  await deps.events.append(trx, [
    {
      type: 'message.queued',
      conversation: conversation.id,
      contact: conversation.contact,
      actor: message.author,
      cause: message.cause ?? null,
      watch: watched ? `${touchpoint.channel}/${touchpoint.thread}` : null,
      data: {
        messageId,
        channel: touchpoint.channel,
        touchpoint: touchpoint.id,
        state: 'queued',
        losses: prepared.plan.losses,
        version,
      },
    },
  ])
  await addJob(deps, trx, touchpoint.channel)
  return { messageId, channel: touchpoint.channel, losses: prepared.plan.losses }
}

/**
 * The job reaches a node that delivers. All answers of a channel share its key, and with it a row that each locks until its
 * commit; so it is left out where this node delivers itself, and the sweep finds what a death in between leaves behind.
 */
async function addJob(
  deps: Pick<QueueDeps, 'jobs' | 'deliversHere'>,
  trx: Transaction<Tables>,
  channel: string,
): Promise<void> {
  if (deps.deliversHere?.(channel) === true) return
  await deps.jobs.add(trx, [{ task: DELIVER_TASK, payload: { channel }, key: `deliver:${channel}` }])
}

/** What the answer quotes: the message named, else the customer's last one, where the channel can quote. */
async function replyTarget(
  trx: Transaction<Tables>,
  message: OutgoingMessage,
  prepared: Prepared,
): Promise<string | null> {
  const support = prepared.capabilities.replyTo
  const named =
    message.replyTo === undefined ? null : await externalIdOf(trx, prepared.conversation.id, message.replyTo)
  if (support !== 'full' && support !== 'partial') return null
  return named ?? (await lastInbound(trx, prepared.conversation.id, prepared.touchpoint.id))
}

async function authorName(trx: Transaction<Tables>, author: OutgoingMessage['author']): Promise<string | null> {
  if (author.id === null || author.kind === 'system') return null
  return author.kind === 'agent' ? agentName(trx, author.id) : author.id
}

interface Act {
  readonly actor: Actor
  readonly cause: string | undefined
  /** The caller's own rows: the stored result of a command. */
  readonly within: ((trx: Transaction<Tables>) => Promise<void>) | undefined
}

/** Tries again what did not arrive; parts that did are not sent twice. Lock: the conversation. */
export async function retryMessage(deps: RetryDeps, messageId: string, act: Act): Promise<void> {
  await changeMessage(deps, messageId, act, async (trx, row) => {
    if (!['failed', 'dead', 'unknown'].includes(row.state) || (await requeueSends(trx, row.id, deps.ids)) === 0) {
      throw conflict(row, 'only what failed, is dead or unknown can be tried again')
    }
    await addJob(deps, trx, row.channel)
  })
}

/** Takes back what has not left. Lock: the conversation; a part that is being sent stays where it is. */
export async function cancelMessage(deps: RetryDeps, messageId: string, act: Act): Promise<void> {
  await changeMessage(deps, messageId, act, async (trx, row) => {
    if ((await cancelSends(trx, row.id)) === 0) throw conflict(row, 'nothing of it is left to take back')
  })
}

async function changeMessage(
  deps: RetryDeps,
  messageId: string,
  act: Act,
  change: (trx: Transaction<Tables>, row: OutRow) => Promise<void>,
): Promise<void> {
  const channel = await retryTransaction(deps.db, async (trx) => {
    const found = isUuid(messageId) ? await readOutbound(trx, messageId) : null
    if (!found || !(await readConversation(trx, found.conversation, true))) throw notFound('message', messageId)
    // Read again under the lock: the message may have been settled or moved while we waited for it.
    const row = (await readOutbound(trx, messageId)) ?? found
    await change(trx, row)
    await bumpConversation(trx, row.conversation)
    const changes = await settleMessages(trx, [row.id])
    await deps.events.append(
      trx,
      changes.map((each) =>
        messageEvent(each, { actor: act.actor, cause: act.cause ?? null, watched: deps.watched(each.channel) }),
      ),
    )
    await act.within?.(trx)
    return row.channel
  })
  deps.written(channel, true)
  deps.events.poke()
}

function conflict(row: OutRow, why: string): ThroughlineError {
  return new ThroughlineError('TL_COMMAND_CONFLICT', `message ${row.id} is ${row.state}; ${why}`, {
    details: { message: row.id, state: row.state },
  })
}
