import { isPluginError, type Files, type Http, type Logger } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { EventWriter } from '../events/contract.js'
import type { ChannelInstance } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { retryAttachment, settleAttachment, takePending, type PendingAttachment } from './attachment-store.js'

export interface AttachmentDeps {
  readonly db: Kysely<Tables>
  readonly events: EventWriter
  readonly log: Logger
  readonly files: Pick<Files, 'put'>
  readonly channel: (id: string) => ChannelInstance | null
  /** Guarded: no stranger's URL reaches a private network. */
  readonly http: Pick<Http, 'get'>
  readonly maxBytes: number
}

export interface Attachments {
  /** Some wait to be fetched. Returns at once; coalesced. */
  wake(): void
  sweep(): Promise<void>
  stop(): Promise<void>
}

const TRIES = 6
const FETCH_MS = 60_000
const AT_ONCE = 4
const BACKOFF_MS = [1_000, 5_000, 30_000, 120_000, 600_000]

/** Fetches what messages carry, after the messages are safe. A failure marks the attachment and never loses the message. */
export function createAttachments(deps: AttachmentDeps): Attachments {
  let running: Promise<void> | null = null
  let again = false
  let stopped = false

  async function loop(): Promise<void> {
    try {
      do {
        again = false
        for (;;) {
          const taken = stopped ? [] : await takePending(deps.db, AT_ONCE)
          if (taken.length === 0) break
          await Promise.all(taken.map((one) => fetchOne(deps, one)))
        }
      } while (again)
    } catch (error) {
      deps.log.warn({ err: error }, 'attachments could not be fetched; the sweep tries again')
    } finally {
      running = null
    }
  }
  const wake = () => {
    if (stopped) return
    if (running) again = true
    else running = loop()
  }
  return {
    wake,
    async sweep() {
      wake()
      await running
    },
    async stop() {
      stopped = true
      await running
    },
  }
}

async function fetchOne(deps: AttachmentDeps, one: PendingAttachment): Promise<void> {
  try {
    const media = await bytesOf(deps, one)
    if (media.bytes.byteLength === 0) return await settle(deps, one, { state: 'missing', reason: 'the file is empty' })
    if (media.bytes.byteLength > deps.maxBytes) {
      return await settle(deps, one, { state: 'refused', reason: `larger than ${deps.maxBytes} bytes` })
    }
    const name = media.name ?? one.handle.name ?? null
    // Content-addressed: a crash between here and the next line costs a second fetch, never a second file.
    const stored = await deps.files.put(media.bytes, {
      ...(name === null ? {} : { name }),
      ...((media.mime ?? one.handle.mime) === undefined ? {} : { mime: (media.mime ?? one.handle.mime)! }),
    })
    await settle(deps, one, { state: 'stored', key: stored.key, mime: stored.mime, size: stored.size, name })
  } catch (error) {
    await failed(deps, one, error)
  }
}

async function bytesOf(
  deps: AttachmentDeps,
  one: PendingAttachment,
): Promise<{ readonly bytes: Uint8Array; readonly mime?: string; readonly name?: string }> {
  const instance = deps.channel(one.channel)
  if (instance?.live?.fetchMedia !== undefined) {
    return instance.call('fetchMedia', FETCH_MS, (live, signal) =>
      live.fetchMedia!(one.handle, { signal, attempt: one.attempts }),
    )
  }
  if (one.handle.url === undefined) throw new Error('the channel cannot fetch this attachment')
  const answer = await deps.http.get(one.handle.url, {
    timeoutMs: FETCH_MS,
    maxBytes: deps.maxBytes + 1,
    errors: { 404: 'permanent', 410: 'permanent' },
  })
  const mime = answer.headers['content-type']?.split(';')[0]?.trim()
  return { bytes: answer.body, ...(mime === undefined ? {} : { mime }) }
}

async function failed(deps: AttachmentDeps, one: PendingAttachment, error: unknown): Promise<void> {
  const code = isPluginError(error) ? error.code : 'bug'
  const waits =
    code === 'retryable' || code === 'rate_limited' || code === 'uncertain' || code === 'bug' || code === 'auth'
  deps.log.warn(
    { attachment: one.id, channel: one.channel, code, attempts: one.attempts },
    'an attachment could not be fetched',
  )
  try {
    if (waits && one.attempts < TRIES) {
      const asked = isPluginError(error) ? error.retryAfterMs : undefined
      await retryAttachment(deps.db, one.id, asked ?? BACKOFF_MS[one.attempts - 1] ?? 600_000)
      return
    }
    const refused =
      code === 'unsupported' ||
      /over the limit|private|not allowed|refused/i.test(error instanceof Error ? error.message : '')
    await settle(deps, one, { state: refused ? 'refused' : 'missing', reason: reasonOf(code, one.attempts) })
  } catch (cause) {
    deps.log.warn(
      { err: cause, attachment: one.id },
      'the state of an attachment could not be stored; its lease runs out',
    )
  }
}

function reasonOf(code: string, attempts: number): string {
  return code === 'permanent' ? 'the network does not have it (any more)' : `${code} after ${attempts} tries`
}

async function settle(
  deps: AttachmentDeps,
  one: PendingAttachment,
  to: Parameters<typeof settleAttachment>[2],
): Promise<void> {
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
