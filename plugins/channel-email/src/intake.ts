import type { Context, InboundEvent, MediaKind, Part } from '@throughline/plugin-sdk'
import type { OwnAddress } from './addresses.js'
import type { MailAttachment } from './parse-mail.js'
import { createHash } from 'node:crypto'
import type { Envelope, MailEvent, ReadingContext } from './to-events.js'

/** A write that hangs must not hold a mail server's connection open for ever. */
const STORE_TIMEOUT_MS = 25_000

export type IntakeDeps = {
  readonly context: Pick<Context<'channel'>, 'id' | 'inbox' | 'files' | 'signer' | 'clock' | 'log' | 'metrics'>
  readonly own: OwnAddress
  readonly trustedAuthserv: readonly string[]
}

/**
 * Stores one raw mail: attachments first (content-addressed, so a second try adds nothing), then the event with the raw
 * mail in one commit. Resolves when that commit is done; only then may the transport acknowledge. What cannot be parsed is
 * stored as `unknown`, never refused: the sender would not send it again in a better form.
 * Idempotency key: the event id, a hash of Message-ID, Date, From and body.
 */
export async function storeMail(
  deps: IntakeDeps,
  raw: Buffer,
  envelope: Envelope,
): Promise<{ readonly stored: number; readonly duplicate: number }> {
  const { context } = deps
  const event = await readEvent(deps, raw, envelope)
  const headers = { 'x-envelope-from': envelope.from ?? '', 'x-envelope-to': envelope.to.join(', ').slice(0, 4096) }
  const result = await withTimeout(context.inbox.accept([event], { body: raw, headers }), 'storing the mail')
  context.metrics.count('mails_received', 1, { type: event.type })
  return result
}

async function readEvent(
  { context, own, trustedAuthserv }: IntakeDeps,
  raw: Buffer,
  envelope: Envelope,
): Promise<InboundEvent> {
  const receivedAt = context.clock.now()
  const reading: ReadingContext = { instance: context.id, own, trustedAuthserv, signer: context.signer, receivedAt }
  // What reads a mail is loaded with the first mail.
  const [{ parseMail }, { mailToEvent }] = await Promise.all([import('./parse-mail.js'), import('./to-events.js')])
  let read: MailEvent
  try {
    read = mailToEvent(await parseMail(raw), raw, envelope, reading)
  } catch (error) {
    // The message of a parser error may quote the mail: only its class goes into the log.
    context.log.warn(
      { bytes: raw.length, error: error instanceof Error ? error.name : 'unknown' },
      'mail could not be parsed; kept as it is',
    )
    const id = `mail-${createHash('sha256').update(raw).digest('hex')}`
    return { id, at: receivedAt, type: 'unknown', note: 'mail that could not be parsed' }
  }
  const { event, attachments } = read
  if (event.type !== 'message' || attachments.length === 0) return event
  const parts: Part[] = [...(event.parts ?? [])]
  for (const attachment of attachments) parts.push(await storeAttachment(context, attachment))
  return { ...event, parts }
}

async function storeAttachment(context: IntakeDeps['context'], { name, mime, bytes }: MailAttachment): Promise<Part> {
  const meta = { mime, ...(name !== null && { name }) }
  const stored = await withTimeout(context.files.put(bytes, meta), 'storing an attachment')
  // What the file really is decides how it is shown, not what the sender calls it.
  const media = {
    file: stored.key,
    mime: stored.mime,
    size: stored.size,
    sha256: stored.sha256,
    ...(name !== null && { name }),
  }
  return { type: mediaKind(stored.mime), media }
}

function mediaKind(mime: string): MediaKind {
  if (mime === 'image/svg+xml') return 'file'
  if (mime.startsWith('image/')) return 'image'
  if (mime.startsWith('audio/')) return 'audio'
  return mime.startsWith('video/') ? 'video' : 'file'
}

async function withTimeout<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${STORE_TIMEOUT_MS} ms`)), STORE_TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
