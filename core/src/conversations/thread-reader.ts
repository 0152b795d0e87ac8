import type { Part, ThreadChange, ThreadMessage } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { EventReader, StoredEvent } from '../events/contract.js'
import type { ThreadReader } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { latestOfThread, messagesOfThread, positionsOfThread, type ThreadRow } from './thread-store.js'

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

/** Threads that clients follow on this node, as `<channel>/<thread>`, and a word to those who follow one. */
export interface WatchedThreads extends ThreadReader {
  watched(): readonly string[]
  tell(watch: string, what: ThreadChange): void
}

type Changed = (what: ThreadChange) => void

const PAGE = 50
const PAGE_MAX = 200
/** A message comes up with one of these … */
const said = ['message.inbound', 'message.queued', 'message.echo']
/** … and again, with its one id, when its words changed or somebody reacted. */
const shown = [...said, 'message.edited', 'message.deleted', 'message.reaction']

/**
 * What a channel's own client may see of its own thread: public messages of that channel and thread, nothing else (P11).
 * The cursor is a position of the event log, so reading on from it skips nothing; a message may come twice, with one id.
 */
export function createThreadReader(deps: ThreadReaderDeps): WatchedThreads {
  const { db, reader } = deps
  const watchers = fanOut(reader)

  /** The newest page, oldest first. */
  async function latest(channel: string, thread: string, limit: number): Promise<readonly ThreadMessage[]> {
    // Taken before the read: what is committed in between is read twice rather than never. A message's own position serves
    // as its cursor only up to there; beyond, an earlier event may still have been invisible to the read.
    const head = reader.head()
    const rows = await latestOfThread(db, channel, thread, limit)
    const positions =
      rows.length > 0 ? await positionsOfThread(db, `${channel}/${thread}`, said) : new Map<string, number>()
    return rows.map((row) => view(row, cursorAt(reader, Math.min(positions.get(row.id) ?? head, head))))
  }

  async function since(
    channel: string,
    thread: string,
    position: number,
    limit: number,
  ): Promise<readonly ThreadMessage[]> {
    for (let after = position; ;) {
      const events = await deps.readWatched(`${channel}/${thread}`, shown, after, limit)
      const last = events.at(-1)
      if (last === undefined) return []
      const ids = events.map((event) => event.data['messageId']).filter((id) => typeof id === 'string')
      const rows = new Map((await messagesOfThread(db, channel, thread, [...new Set(ids)])).map((row) => [row.id, row]))
      const page = events.flatMap((event) => {
        const row = rows.get(String(event.data['messageId']))
        return row === undefined ? [] : [view(row, cursorAt(reader, event.position))]
      })
      // A page that shows nothing is not the end: callers stop at a short page.
      if (page.length > 0 || events.length < limit) return page
      after = last.position
    }
  }

  return {
    async read(channel, thread, options) {
      const limit = Math.min(Math.max(Math.trunc(options.limit ?? PAGE), 1), PAGE_MAX)
      const after = options.after === undefined ? null : positionOf(reader, options.after)
      // Older than what the log keeps: the newest page is where such a client starts again.
      if (after === null || (await reader.read(after, 1)) === null) return latest(channel, thread, limit)
      return since(channel, thread, after, limit)
    },
    watch: (channel, thread, changed) => watchers.add(`${channel}/${thread}`, changed),
    watched: watchers.watched,
    tell: watchers.tell,
  }
}

/** One subscription for all threads of the node; events find their watchers in a map. */
function fanOut(reader: EventReader): Pick<WatchedThreads, 'watched' | 'tell'> & {
  add(watch: string, changed: Changed): () => void
} {
  const byWatch = new Map<string, Set<Changed>>()
  const tell = (watch: string, what: ThreadChange) => {
    for (const changed of [...(byWatch.get(watch) ?? [])]) {
      try {
        changed(what)
      } catch {
        // A plugin's callback: its failure must not keep the others from hearing. The client reads again anyway.
      }
    }
  }
  reader.subscribe((batch) => {
    if (byWatch.size === 0) return
    for (const watch of new Set(batch.map((event) => event.watch))) if (watch !== null) tell(watch, {})
  })
  reader.onEphemeral('agent.typing', (data) => {
    if (typeof data['watch'] === 'string') tell(data['watch'], { typing: data['on'] !== false })
  })
  return {
    tell,
    watched: () => [...byWatch.keys()],
    add(watch, changed) {
      // An entry of its own a call: the same function may watch twice and stop once.
      const entry: Changed = (what) => changed(what)
      const set = byWatch.get(watch) ?? new Set()
      byWatch.set(watch, set.add(entry))
      return () => {
        set.delete(entry)
        if (set.size === 0 && byWatch.get(watch) === set) byWatch.delete(watch)
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
    parts: row.parts as readonly Part[],
    externalId: row.externalId,
    ...(row.editedAt === null ? {} : { edited: true }),
    ...(row.deletedAt === null ? {} : { deleted: true }),
    ...reactionsOf(row),
    cursor,
  }
}

/** Who reacted is nobody's business out there: only how often each emoji stands. */
function reactionsOf(row: ThreadRow): Pick<ThreadMessage, 'reactions'> {
  if (row.deletedAt !== null || !row.reactions?.length) return {}
  const counts = new Map<string, number>()
  for (const { emoji } of row.reactions) counts.set(emoji, (counts.get(emoji) ?? 0) + 1)
  return { reactions: [...counts].map(([emoji, count]) => ({ emoji, count })) }
}

/** `<position>.<epoch>`: after a restore positions start anew, and a cursor from before means nothing any more. */
function cursorAt(reader: EventReader, position: number): string {
  return `${position}.${reader.epoch.slice(0, 8)}`
}

/** null: not a cursor of this log. */
function positionOf(reader: EventReader, cursor: string): number | null {
  const [, position, epoch] = /^(\d{1,15})\.([0-9a-f]{1,8})$/.exec(cursor) ?? []
  return position !== undefined && epoch === reader.epoch.slice(0, 8) ? Number(position) : null
}
