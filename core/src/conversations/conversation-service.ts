import { ThroughlineError } from '../errors.js'
import { actOn, cleanText, eventOf, readBack } from './act.js'
import { insertNote, setFields } from './act-store.js'
import { changeStatus, wakeAll, type StatusDeps } from './change-status.js'
import type { ActContext, ConversationService, ConversationView } from './contract.js'
import { findConversation, listConversations } from './conversation-read-store.js'
import { decodePlace, encodePlace, uuid } from './cursor.js'
import { joinConversations, type JoinDeps } from './join-conversations.js'
import { findMessage, readHistory } from './message-read-store.js'
import { messageView } from './message-view.js'
import { splitOff, type SplitDeps } from './split-conversation.js'

export interface ConversationDeps extends StatusDeps, JoinDeps, SplitDeps {
  /** A signed link to a stored file. */
  readonly fileUrl: (key: string, name?: string) => string
  /** After a commit that may have freed capacity or brought work back. */
  readonly wake: () => void
}

const NOTE_MAX = 100_000
const QUOTED_IN_EVENT = 1000

/** Reads and acts on conversations. */
export function createConversations(deps: ConversationDeps): ConversationService {
  const { db } = deps
  const waking = async (act: Promise<ConversationView>): Promise<ConversationView> => {
    const after = await act
    deps.wake()
    return after
  }
  const service: ConversationService = {
    get: async (id) => (uuid.test(id) ? findConversation(db, id) : null),
    async list({ cursor, ...filter }) {
      const after = decodePlace(cursor)
      if (filter.contact !== undefined && !uuid.test(filter.contact)) return { items: [], next: null }
      const rows = await listConversations(db, { ...filter, limit: filter.limit + 1, after })
      const page = rows.slice(0, filter.limit)
      const last = page.at(-1)
      const more = rows.length > page.length && last !== undefined
      return {
        items: page.map((row) => row.view),
        next: more ? encodePlace({ at: last.at, id: last.view.id }) : null,
      }
    },
    async history(id, page) {
      const before = decodePlace(page.before)
      if (!uuid.test(id)) return { items: [], next: null }
      const rows = await readHistory(db, id, { before, limit: page.limit + 1 })
      const shown = rows.slice(0, page.limit)
      const oldest = shown.at(-1)
      const more = rows.length > shown.length && oldest !== undefined
      return {
        items: shown.toReversed().map((row) => messageView(row, deps.fileUrl)),
        next: more ? encodePlace({ at: oldest.place, id: oldest.id }) : null,
      }
    },
    async message(id) {
      const row = uuid.test(id) ? await findMessage(db, id) : null
      return row === null ? null : messageView(row, deps.fileUrl)
    },
    setStatus: (id, to, context) => waking(changeStatus(deps, id, to, context)),
    update: (id, patch, context) => updateFields(deps, id, patch, context),
    addNote: (id, text, context, options) => addNote(deps, id, text, context, options?.whisper === true),
    join: (from, into, context) => waking(joinConversations(deps, from, into, context)),
    split: (id, messageIds, context) => waking(splitOff(deps, id, messageIds, context)),
    wakeSnoozed: () => wakeAll(deps),
  }
  return Object.freeze(service)
}

function updateFields(
  deps: ConversationDeps,
  id: string,
  patch: Parameters<ConversationService['update']>[1],
  context: ActContext,
): Promise<ConversationView> {
  return actOn(deps, id, context, async (trx, before, emit) => {
    const language = patch.language === undefined ? before.language : patch.language
    await setFields(trx, id, {
      subject: patch.subject === undefined ? before.subject : cleanText(patch.subject).slice(0, 500),
      tags: patch.tags === undefined ? before.tags : [...new Set(patch.tags.map(cleanText))],
      priority: patch.priority ?? before.priority,
      language: language === null ? null : cleanText(language),
    })
    const after = await readBack(trx, id)
    const { tags, priority } = after
    emit(eventOf('conversation.updated', after, context, { changed: Object.keys(patch), tags, priority }))
    return after
  })
}

/** A note is not said to anybody: it moves neither the reply window nor the order of the list. */
async function addNote(
  deps: ConversationDeps,
  id: string,
  text: string,
  context: ActContext,
  whisper: boolean,
): Promise<{ readonly messageId: string }> {
  const note = cleanText(text)
  if (note.trim() === '' || note.length > NOTE_MAX) {
    throw new ThroughlineError('TL_COMMAND_INVALID', `a note has 1 to ${NOTE_MAX} characters`, {
      details: { path: '/text' },
    })
  }
  return actOn(deps, id, context, async (trx, before, emit) => {
    const messageId = deps.ids()
    const { kind, id: author } = context.actor
    // The timeline knows no plugins as authors: what one writes is the system's.
    await insertNote(trx, {
      id: messageId,
      conversation: id,
      text: note,
      author: { kind: kind === 'plugin' ? 'system' : kind, id: author },
    })
    const after = { ...before, version: before.version + 1 }
    emit(
      eventOf('note.added', after, context, {
        messageId,
        text: note.slice(0, QUOTED_IN_EVENT),
        ...(whisper ? { whisper: true, to: before.assignee } : {}),
      }),
    )
    return { messageId }
  })
}
