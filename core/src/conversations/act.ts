import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import { retryTransaction } from '../store/retry-transaction.js'
import type { Tables } from '../store/tables.js'
import type { ActContext, ConversationView } from './contract.js'
import { findConversation, lockConversation } from './conversation-read-store.js'
import { uuid } from './cursor.js'

export interface ActDeps {
  readonly db: Kysely<Tables>
  readonly ids: Ids
  readonly events: EventWriter
}

export type Emit = (...events: readonly NewEvent[]) => void

/**
 * One act: its effect, its events and the caller's own rows in one transaction; readers are told after the commit. Lock
 * order of all acts: contacts, conversations in id order, then what work locks.
 */
export async function transactAct<T>(
  deps: ActDeps,
  context: Pick<ActContext, 'within'>,
  run: (trx: Transaction<Tables>, emit: Emit) => Promise<T>,
): Promise<T> {
  const result = await retryTransaction(deps.db, async (trx) => {
    const events: NewEvent[] = []
    const answer = await run(trx, (...more) => events.push(...more))
    await deps.events.append(trx, events)
    await context.within?.(trx, answer)
    return answer
  })
  deps.events.poke()
  return result
}

/** The usual act: on one conversation, locked, of the version the caller has seen. */
export async function actOn<T>(
  deps: ActDeps,
  id: string,
  context: ActContext,
  run: (trx: Transaction<Tables>, before: ConversationView, emit: Emit) => Promise<T>,
): Promise<T> {
  return transactAct(deps, context, async (trx, emit) => {
    const before = await lockOne(trx, id)
    checkVersion(before, context)
    return run(trx, before, emit)
  })
}

export async function lockOne(trx: Transaction<Tables>, id: string): Promise<ConversationView> {
  const row = uuid.test(id) ? await lockConversation(trx, id) : null
  if (row === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
  if (row.status === 'joined') {
    throw new ThroughlineError('TL_COMMAND_CONFLICT', 'this conversation was joined into another; act on that one', {
      details: { joinedInto: row.joinedInto },
    })
  }
  return row
}

export function checkVersion(row: ConversationView, context: ActContext): void {
  if (context.ifVersion === undefined || context.ifVersion === row.version) return
  throw new ThroughlineError('TL_COMMAND_CONFLICT', 'the conversation has changed meanwhile', {
    details: { current: row.version },
  })
}

/** After an act: the row as the caller and the events show it. */
export async function readBack(trx: Transaction<Tables>, id: string): Promise<ConversationView> {
  const row = await findConversation(trx, id)
  if (row === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
  return row
}

export function eventOf(
  type: NewEvent['type'],
  row: { readonly id: string; readonly contact: string; readonly version: number },
  context: Pick<ActContext, 'actor' | 'cause'>,
  data: Readonly<Record<string, unknown>>,
): NewEvent {
  return {
    type,
    conversation: row.id,
    contact: row.contact,
    actor: context.actor,
    cause: context.cause ?? null,
    data: { ...data, version: row.version },
  }
}

/** PostgreSQL takes neither NUL nor half a surrogate pair. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}
