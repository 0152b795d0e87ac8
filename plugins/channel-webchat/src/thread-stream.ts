import type { Files, ThreadChange, ThreadMessage, Threads } from '@throughline/plugin-sdk'
import { messageView, type MessageView } from './customer-view.js'

export type StreamItem = { readonly id?: string; readonly event: string; readonly data: unknown }
/** Calls back whenever a thread may have changed; at least once per change, as often as it likes. */
export type Watch = Threads['watch']

export type StreamDeps = {
  readonly read: Threads['read']
  readonly watch: Watch
  readonly files: Files
}
export type StreamOptions = {
  readonly after: string | undefined
  /** The caller went away. */
  readonly signal: AbortSignal
  /** Asked after each wake-up: false ends the stream, so that an expired visitor hears nothing more. */
  readonly allowed?: () => boolean
  /** Looks without a wake-up, should one ever be lost on its way between nodes. */
  readonly pollMs?: number
}

const PAGE = 100

/**
 * The thread from a cursor on, then everything new, until the signal aborts.
 * No message is lost between reading and waiting: we subscribe before the first read, and a wake-up that comes during a
 * read leaves `woken` set, so that the next wait ends at once. None is doubled: the cursor moves with what was yielded.
 */
export async function* threadStream(
  deps: StreamDeps,
  thread: string,
  options: StreamOptions,
): AsyncGenerator<StreamItem, void, undefined> {
  const { signal, allowed = () => true, pollMs = 15_000 } = options
  const ended = (): boolean => signal.aborted || !allowed()
  let cursor = options.after
  let woken: boolean
  let typing: boolean | undefined
  let queue: ThreadChange['queue']
  let wake = (): void => {}
  const unwatch = deps.watch(thread, (what) => {
    if (what.typing !== undefined) typing = what.typing
    if (what.queue !== undefined) queue = what.queue
    woken = true
    wake()
  })
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    // Lets the client know that it is heard before there is anything to say.
    yield { event: 'open', data: {} }
    while (!ended()) {
      woken = false
      for await (const page of pages(deps.read, thread, cursor)) {
        for (const message of page) {
          if (ended()) return
          cursor = message.cursor
          if (message.direction === 'out') typing = undefined
          yield { id: message.cursor, event: 'message', data: messageView(message, thread, deps.files) }
        }
      }
      if (typing !== undefined) {
        const on = typing
        typing = undefined
        yield { event: 'typing', data: { on } }
      }
      if (queue !== undefined) {
        const place = queue
        queue = undefined
        yield { event: 'queue', data: place }
      }
      if (woken || ended()) continue
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      wake = () => {}
    }
  } finally {
    unwatch()
    signal.removeEventListener('abort', onAbort)
  }
}

/** Whole pages after a cursor, until a short one. */
async function* pages(
  read: Threads['read'],
  thread: string,
  after: string | undefined,
): AsyncGenerator<readonly ThreadMessage[], void, undefined> {
  for (let cursor = after; ;) {
    const page = await read(thread, { limit: PAGE, ...(cursor === undefined ? {} : { after: cursor }) })
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    cursor = last.cursor
  }
}

/** One page of the thread for the first paint. `more`: ask again with the returned cursor. */
export async function threadPage(
  deps: Pick<StreamDeps, 'read' | 'files'>,
  thread: string,
  after: string | undefined,
): Promise<{ messages: readonly MessageView[]; cursor: string | null; more: boolean }> {
  const page = await deps.read(thread, { limit: PAGE, ...(after === undefined ? {} : { after }) })
  return {
    messages: page.map((message) => messageView(message, thread, deps.files)),
    cursor: page.at(-1)?.cursor ?? after ?? null,
    more: page.length === PAGE,
  }
}
