import type { Part, ThreadMessage } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { EventReader, StoredEvent } from '../events/contract.js'
import type { ThreadReader } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { latestOfThread, messagesOfThread, type ThreadRow } from './thread-store.js'

export interface ThreadReaderDeps {
  readonly db: Kysely<Tables>
  readonly reader: EventReader
  /** Events of these types of one watched thread after a position, out of the durable log. */
  readonly readWatched: (
    watch: string,
    types: readonly string[],
    after: number,
    limit: number,
  ) => Promise<readonly StoredEvent[]>
}

const PAGE = 50
const PAGE_MAX = 200
const shown = ['message.inbound', 'message.queued', 'message.echo']

/**
 * What a channel's own client may see of its own thread: public messages of that channel and thread, nothing else (P11).
 * The cursor is a position of the event log, so reading on from it skips nothing; a message may come twice, with one id.
 */
export function createThreadReader(deps: ThreadReaderDeps): ThreadReader {
  const watchers = new Map<string, Set<(what: { readonly typing?: boolean }) => void>>()
  deps.reader.subscribe((batch) => {
    for (const watch of new Set(batch.flatMap((event) => event.watch ?? []))) tell(watch, {})
  })
  deps.reader.onEphemeral('agent.typing', (data) => {
    if (typeof data['watch'] === 'string') tell(data['watch'], { typing: data['on'] !== false })
  })
  const tell = (watch: string, what: { readonly typing?: boolean }) => {
    for (const changed of watchers.get(watch) ?? []) changed(what)
  }

  return {
    async read(channel, thread, options) {
      const limit = Math.min(Math.max(options.limit ?? PAGE, 1), PAGE_MAX)
      const after = options.after === undefined ? null : positionOf(options.after)
      if (after === null) {
        // Taken before the read: what is committed in between is read twice rather than never.
        const cursor = String(deps.reader.head())
        return (await latestOfThread(deps.db, channel, thread, limit)).map((row) => view(row, cursor))
      }
      const events = await deps.readWatched(`${channel}/${thread}`, shown, after, limit)
      const ids = events.flatMap((event) =>
        typeof event.data['messageId'] === 'string' ? [event.data['messageId']] : [],
      )
      if (ids.length === 0) return []
      const rows = new Map((await messagesOfThread(deps.db, channel, thread, ids)).map((row) => [row.id, row]))
      return events.flatMap((event) => {
        const row = rows.get(String(event.data['messageId']))
        return row === undefined ? [] : [view(row, String(event.position))]
      })
    },
    watch(channel, thread, changed) {
      const key = `${channel}/${thread}`
      const set = watchers.get(key) ?? new Set()
      watchers.set(key, set)
      set.add(changed)
      return () => {
        set.delete(changed)
        if (set.size === 0) watchers.delete(key)
      }
    },
  }
}

function view(row: ThreadRow, cursor: string): ThreadMessage {
  return {
    id: row.id,
    direction: row.direction,
    at: row.at.getTime(),
    author: { kind: row.authorKind, name: row.direction === 'out' ? row.authorName : null },
    parts: row.deleted ? [] : (row.parts as readonly Part[]),
    externalId: row.externalId,
    cursor,
  }
}

/** A cursor that is none counts as the beginning of what is kept. */
function positionOf(cursor: string): number {
  const position = Number(cursor)
  return Number.isSafeInteger(position) && position >= 0 ? position : 0
}
