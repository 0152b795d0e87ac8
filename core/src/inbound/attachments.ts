import type { Files, Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { EventWriter } from '../events/contract.js'
import type { Tables } from '../store/tables.js'
import {
  channelsWaiting,
  retryAttachment,
  settleAttachment,
  takePending,
  type PendingAttachment,
  type Settled,
} from './attachment-store.js'
import { fetchAttachment, judge, type FetchDeps, type Fetched } from './fetch-attachment.js'

export interface AttachmentDeps extends FetchDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly log: Logger
  readonly files: Pick<Files, 'put'>
}

export interface Attachments {
  /** Some wait to be fetched. Returns at once; coalesced. */
  wake(): void
  /** Resolves when what was due has been fetched or given a later time. */
  sweep(): Promise<void>
  /** What is under way is given back at once and fetched by the next node, or after the restart. */
  stop(): Promise<void>
}

const TRIES = 6
const AT_ONCE = 4
const BACKOFF_MS = [1_000, 5_000, 30_000, 120_000, 600_000]

/** Fetches what messages carry, after the messages are safe. A failure marks the attachment and never loses the message. */
export function createAttachments(deps: AttachmentDeps): Attachments {
  const stopping = new AbortController()
  const { signal } = stopping
  /** Channels being fetched from, and whether somebody asked for them again meanwhile. */
  const running = new Map<string, { again: boolean; readonly done: Promise<void> }>()
  let looking: Promise<void> | null = null
  let lookAgain = false

  async function look(): Promise<void> {
    try {
      do {
        lookAgain = false
        for (const channel of await channelsWaiting(deps.db)) {
          const known = running.get(channel)
          if (known) known.again = true
          else if (!signal.aborted) running.set(channel, { again: false, done: serve(channel) })
        }
      } while (lookAgain && !signal.aborted)
    } catch (error) {
      deps.log.warn({ err: error }, 'attachments could not be looked for; the sweep tries again')
    } finally {
      looking = null
    }
  }

  /** At most AT_ONCE of one channel; a slow one holds up only itself. */
  async function serve(channel: string): Promise<void> {
    const active = new Set<Promise<void>>()
    try {
      for (;;) {
        const taken = signal.aborted ? [] : await takePending(deps.db, channel, AT_ONCE - active.size)
        for (const one of taken) {
          const work: Promise<void> = fetchOne(deps, one, signal).finally(() => active.delete(work))
          active.add(work)
        }
        const mine = running.get(channel)
        if (active.size > 0) await Promise.race(active)
        else if (mine?.again === true && !signal.aborted) mine.again = false
        else return
      }
    } catch (error) {
      deps.log.warn({ err: error, channel }, 'attachments could not be taken; the sweep tries again')
      await Promise.all(active)
    } finally {
      running.delete(channel)
    }
  }

  const wake = () => {
    if (signal.aborted) return
    if (looking) lookAgain = true
    else looking = look()
  }
  const settled = async () => {
    await looking
    await Promise.all([...running.values()].map((one) => one.done))
  }
  return {
    wake,
    async sweep() {
      wake()
      await settled()
    },
    async stop() {
      stopping.abort(new Error('the node stops'))
      await settled()
    },
  }
}

/** Never rejects. */
async function fetchOne(deps: AttachmentDeps, one: PendingAttachment, signal: AbortSignal): Promise<void> {
  try {
    const size = one.handle.size ?? 0
    if (one.deleted) return await settle(deps, one, { state: 'refused', reason: 'the message was deleted' })
    if (size > deps.maxBytes) return await settle(deps, one, tooLarge(deps.maxBytes))
    const media = await orAbort(fetchAttachment(deps, one, signal), signal)
    if (media.bytes.byteLength === 0) return await settle(deps, one, { state: 'missing', reason: 'the file is empty' })
    if (media.bytes.byteLength > deps.maxBytes) return await settle(deps, one, tooLarge(deps.maxBytes))
    await settle(deps, one, await orAbort(store(deps, one, media), signal))
  } catch (error) {
    await failed(deps, one, error, signal).catch((cause: unknown) =>
      deps.log.warn(
        { err: cause, attachment: one.id },
        'the state of an attachment could not be stored; its lease runs out',
      ),
    )
  }
}

/** Content-addressed: a crash after this costs a second fetch, never a second file. */
async function store(deps: AttachmentDeps, one: PendingAttachment, media: Fetched): Promise<Settled> {
  const name = plainName(media.name ?? one.handle.name)
  const mime = media.mime ?? one.handle.mime
  const stored = await deps.files.put(media.bytes, {
    ...(name === null ? {} : { name }),
    ...(mime === undefined ? {} : { mime }),
  })
  return { state: 'stored', key: stored.key, mime: stored.mime, size: stored.size, name }
}

async function failed(
  deps: AttachmentDeps,
  one: PendingAttachment,
  error: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return retryAttachment(deps.db, one, { afterMs: 0, counted: false })
  const verdict = judge(error)
  const { code } = verdict
  const fields = { attachment: one.id, channel: one.channel, code, attempts: one.attempts }
  deps.log.warn(fields, 'an attachment could not be fetched')
  if (verdict.outcome !== 'again') {
    return settle(deps, one, { state: verdict.outcome, reason: verdict.reason })
  }
  if (one.stale) return settle(deps, one, { state: 'missing', reason: `could not be fetched for days (${code})` })
  if (verdict.counted && one.attempts >= TRIES) {
    return settle(deps, one, { state: 'missing', reason: `could not be fetched in ${TRIES} tries (${code})` })
  }
  const afterMs = verdict.afterMs ?? BACKOFF_MS[one.attempts - 1] ?? 600_000
  await retryAttachment(deps.db, one, { afterMs, counted: verdict.counted })
}

/** One transaction: the state and its event. Key: the attachment while it is pending. */
async function settle(deps: AttachmentDeps, one: PendingAttachment, to: Settled): Promise<void> {
  await deps.db.transaction().execute(async (trx) => {
    if (!(await settleAttachment(trx, one.id, to))) return
    await deps.events.append(trx, [
      {
        type: to.state === 'stored' ? 'attachment.stored' : 'attachment.missing',
        conversation: one.conversation,
        contact: one.contact,
        actor: { kind: 'system', id: null },
        data: {
          attachmentId: one.id,
          messageId: one.message,
          state: to.state,
          ...(to.state === 'stored' ? {} : { reason: to.reason }),
        },
      },
    ])
  })
  deps.events.poke()
}

function tooLarge(maxBytes: number): Settled {
  return { state: 'refused', reason: `larger than ${maxBytes} bytes (files.maxBytes)` }
}

/** What ignores its signal, or cannot have one, must not hold up the stop. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** As it is shown: one line, no control characters, bounded. */
function plainName(name: string | undefined): string | null {
  const plain = name
    ?.replaceAll(/\p{Cc}/gu, ' ')
    .toWellFormed()
    .trim()
    .slice(0, 255)
  return plain === undefined || plain === '' ? null : plain
}
