import type { Kysely, Transaction } from 'kysely'
import { ThroughlineError } from '../errors.js'
import type { EventWriter, NewEvent } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Tables } from '../store/tables.js'
import { insertNote, moveConversation, setFields, setStatus, splitConversation, wakeSnoozed } from './act-store.js'
import type { ActContext, ConversationService, ConversationView, MessageView } from './contract.js'
import { findConversation, listConversations, lockConversation } from './conversation-read-store.js'
import { decodePlace, encodePlace, uuid } from './cursor.js'
import { findMessage, readHistory, type MessageRow } from './message-read-store.js'

export interface ConversationDeps {
  readonly db: Kysely<Tables>
  readonly ids: Ids
  readonly events: EventWriter
  /** A signed link to a stored file. */
  readonly fileUrl: (key: string, name?: string) => string
  /** Ends the conversation's work inside the act's transaction; answers the events of it. */
  readonly endWork: (
    trx: Transaction<Tables>,
    conversation: string,
    context: ActContext,
  ) => Promise<readonly NewEvent[]>
  /** `from` was joined into `into`: one work item survives. */
  readonly joinWork: (
    trx: Transaction<Tables>,
    from: string,
    into: string,
    context: ActContext,
  ) => Promise<readonly NewEvent[]>
  /** After a commit: capacity may have been freed. */
  readonly wake: () => void
}

const NOTE_MAX = 100_000

/** Reads and acts on conversations. Lock order: conversations in id order, then what `endWork` and `joinWork` lock. */
export function createConversations(deps: ConversationDeps): ConversationService {
  const { db } = deps

  /** One act: lock, check the version, change, write events; poke after the commit. */
  async function act<T>(
    id: string,
    context: ActContext,
    run: (
      trx: Transaction<Tables>,
      before: ConversationView,
      emit: (events: readonly NewEvent[]) => void,
    ) => Promise<T>,
  ): Promise<T> {
    const result = await db.transaction().execute(async (trx) => {
      const before = await lockOne(trx, id)
      checkVersion(before, context)
      const events: NewEvent[] = []
      const answer = await run(trx, before, (more) => events.push(...more))
      await deps.events.append(trx, events)
      await context.within?.(trx, answer)
      return answer
    })
    deps.events.poke()
    deps.wake()
    return result
  }

  const service: ConversationService = {
    get: (id) => (uuid.test(id) ? findConversation(db, id) : Promise.resolve(null)),
    async list(filter) {
      const { cursor, ...rest } = filter
      const items = await listConversations(db, { ...rest, limit: filter.limit + 1, after: decodePlace(cursor) })
      const page = items.slice(0, filter.limit)
      const last = page.at(-1)
      return {
        items: page,
        next: items.length > page.length && last ? encodePlace(last.lastMessageAt ?? last.createdAt, last.id) : null,
      }
    },
    async history(id, page) {
      const rows = await readHistory(db, id, { before: decodePlace(page.before), limit: page.limit + 1 })
      const shown = rows.slice(0, page.limit)
      const oldest = shown.at(-1)
      return {
        items: shown.reverse().map((row) => messageView(row, deps.fileUrl)),
        next: rows.length > shown.length && oldest ? encodePlace(oldest.providerAt, oldest.id) : null,
      }
    },
    async message(id) {
      const row = uuid.test(id) ? await findMessage(db, id) : null
      return row === null ? null : messageView(row, deps.fileUrl)
    },
    setStatus: (id, to, context) =>
      act(id, context, async (trx, before, emit) => {
        if (to.status === 'snoozed' && (to.until === undefined || Number.isNaN(to.until.getTime()))) {
          throw new ThroughlineError('TL_COMMAND_INVALID', 'a snooze needs `until`, the time it ends', {
            details: { path: '/until' },
          })
        }
        if (before.status === to.status && to.status !== 'snoozed') return before
        await setStatus(trx, id, { status: to.status, until: to.until ?? null })
        if (to.status === 'resolved') emit(await deps.endWork(trx, id, context))
        const after = (await findConversation(trx, id))!
        const type =
          to.status === 'resolved'
            ? 'conversation.resolved'
            : to.status === 'snoozed'
              ? 'conversation.snoozed'
              : before.status === 'resolved'
                ? 'conversation.reopened'
                : 'conversation.updated'
        emit([
          eventOf(type, after, context, { status: to.status, from: before.status, until: to.until?.getTime() ?? null }),
        ])
        return after
      }),
    update: (id, patch, context) =>
      act(id, context, async (trx, before, emit) => {
        await setFields(trx, id, {
          subject: patch.subject ?? before.subject,
          tags: patch.tags === undefined ? before.tags : [...new Set(patch.tags)],
          priority: patch.priority ?? before.priority,
          language: patch.language === undefined ? before.language : patch.language,
        })
        const after = (await findConversation(trx, id))!
        emit([
          eventOf('conversation.updated', after, context, {
            changed: Object.keys(patch),
            tags: after.tags,
            priority: after.priority,
          }),
        ])
        return after
      }),
    addNote: (id, text, context) =>
      act(id, context, async (trx, before, emit) => {
        if (text.trim() === '' || text.length > NOTE_MAX) {
          throw new ThroughlineError('TL_COMMAND_INVALID', `a note has 1 to ${NOTE_MAX} characters`, {
            details: { path: '/text' },
          })
        }
        const messageId = deps.ids()
        await insertNote(trx, {
          id: messageId,
          conversation: id,
          text: text.replaceAll('\0', '\ufffd'),
          author: context.actor,
        })
        emit([
          eventOf('note.added', { ...before, version: before.version + 1 }, context, {
            messageId,
            text: text.slice(0, 1000),
          }),
        ])
        return { messageId }
      }),
    async join(from, into, context) {
      if (from === into) throw new ThroughlineError('TL_COMMAND_INVALID', 'a conversation cannot be joined into itself')
      const result = await db.transaction().execute(async (trx) => {
        const rows = new Map<string, ConversationView>()
        for (const id of [from, into].sort()) rows.set(id, await lockOne(trx, id))
        const [source, target] = [rows.get(from)!, rows.get(into)!]
        checkVersion(target, context)
        if (source.contact !== target.contact) {
          throw new ThroughlineError(
            'TL_COMMAND_CONFLICT',
            'the two conversations belong to two contacts; join the contacts first if they are one person',
          )
        }
        const events = [...(await deps.joinWork(trx, from, into, context))]
        await moveConversation(trx, from, into)
        const after = (await findConversation(trx, into))!
        events.push(eventOf('conversation.joined', after, context, { from, into }))
        await deps.events.append(trx, events)
        await context.within?.(trx, after)
        return after
      })
      deps.events.poke()
      deps.wake()
      return result
    },
    split: (id, messageIds, context) =>
      act(id, context, async (trx, before, emit) => {
        const ids = [...new Set(messageIds)].filter((one) => uuid.test(one))
        if (ids.length === 0)
          throw new ThroughlineError('TL_COMMAND_INVALID', 'name the messages to split off', {
            details: { path: '/messageIds' },
          })
        const created = deps.ids()
        const moved = await splitConversation(trx, { from: id, id: created, messages: ids })
        if (moved !== ids.length) {
          throw new ThroughlineError(
            'TL_COMMAND_NOT_FOUND',
            'not all of these messages are in this conversation; nothing was moved',
          )
        }
        const after = (await findConversation(trx, created))!
        emit([
          eventOf('conversation.created', after, context, { splitFrom: id }),
          eventOf('conversation.split', { ...before, version: before.version + 1 }, context, {
            into: created,
            messages: moved,
          }),
        ])
        return after
      }),
    async wakeSnoozed() {
      const woken = await db.transaction().execute(async (trx) => {
        const rows = await wakeSnoozed(trx)
        await deps.events.append(
          trx,
          rows.map((row) =>
            eventOf(
              'conversation.updated',
              row,
              { actor: { kind: 'system', id: null } },
              { status: 'open', from: 'snoozed' },
            ),
          ),
        )
        return rows.length
      })
      if (woken > 0) deps.events.poke()
      return woken
    },
  }
  return Object.freeze(service)
}

async function lockOne(trx: Transaction<Tables>, id: string): Promise<ConversationView> {
  const row = uuid.test(id) ? await lockConversation(trx, id) : null
  if (row === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
  if (row.status === 'joined') {
    throw new ThroughlineError('TL_COMMAND_CONFLICT', 'this conversation was joined into another; act on that one', {
      details: { joinedInto: row.joinedInto },
    })
  }
  return row
}

function checkVersion(row: ConversationView, context: ActContext): void {
  if (context.ifVersion === undefined || context.ifVersion === row.version) return
  throw new ThroughlineError('TL_COMMAND_CONFLICT', 'the conversation has changed meanwhile', {
    details: { current: row.version },
  })
}

function eventOf(
  type: NewEvent['type'],
  row: { readonly id: string; readonly contact: string; readonly version: number },
  context: ActContext,
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

function messageView(row: MessageRow, fileUrl: ConversationDeps['fileUrl']): MessageView {
  const { authorKind, authorId, authorName, attachments, losses, ...rest } = row
  return {
    ...rest,
    author: { kind: authorKind, id: authorId, name: authorName },
    losses: losses ?? [],
    attachments: attachments.map(({ fileKey, ...one }) => ({
      ...one,
      url: fileKey === null ? null : fileUrl(fileKey, one.name ?? undefined),
    })),
  }
}
