import { createHash } from 'node:crypto'
import type { InboundEvent, Part, Sender, Signer } from '@throughline/plugin-sdk'
import { domainOf, type Mailbox, normalizeAddress, type OwnAddress } from './addresses.js'
import { vouchedFor } from './assurance.js'
import { isAutomatic } from './automatic.js'
import { readReport, type Report } from './bounce.js'
import { sliceWellFormed } from './clean-text.js'
import { htmlToText } from './html-text.js'
import { header, headerValues, type Mail } from './parse-mail.js'
import { QUOTE_MARK, trimReply } from './reply-trim.js'
import {
  answeredIds,
  findReplyToken,
  isOwnLoopMark,
  isOwnMessageId,
  LOOP_HEADER,
  normalizeMessageId,
} from './threading.js'

/** Text of a message; what is longer is cut here and stays whole in the stored raw mail. */
export const MAX_TEXT = 262_144

/** What the transport knows beside the mail: never trusted for identity. */
export type Envelope = { readonly from: string | null; readonly to: readonly string[] }

export type ReadingContext = {
  readonly instance: string
  readonly own: OwnAddress
  readonly trustedAuthserv: readonly string[]
  readonly signer: Signer
  /** ms since the epoch: the latest a mail can have been written. */
  readonly receivedAt: number
}

/** A message event still without its attachments, or any other event. */
export type MailEvent = { readonly event: InboundEvent; readonly attachments: Mail['attachments'] }

/** Decides what a mail is: our own, a report about one of ours, or a customer's message. Pure. */
export function mailToEvent(mail: Mail, raw: Buffer, envelope: Envelope, context: ReadingContext): MailEvent {
  const id = eventId(mail, raw)
  const at = eventTime(mail.date, context.receivedAt)
  const messageId = normalizeMessageId(header(mail, 'message-id'))
  const plain = (event: InboundEvent): MailEvent => ({ event, attachments: [] })
  if (isOwn(mail, messageId, context)) return plain({ id, at, type: 'unknown', note: 'own message' })
  const report = readReport(mail)
  if (report !== null) return plain(reportEvent(report, id, at))
  const author = chooseAuthor(mail, envelope)
  if (author === null) return plain({ id, at, type: 'unknown', note: 'mail without a sender' })
  const verified =
    author.certain &&
    vouchedFor(domainOf(author.mailbox.address), headerValues(mail, 'authentication-results'), context.trustedAuthserv)
  const replyTo = answeredIds(headerValues(mail, 'in-reply-to').join(' '), headerValues(mail, 'references').join(' '))
  const token = findReplyToken(
    context.own,
    envelope.to,
    ['delivered-to', 'x-original-to', 'to', 'cc'].flatMap((key) => headerValues(mail, key)),
  )
  // Some people write everything into the subject.
  const body = bodyText(mail)
  const text = body === '' && mail.attachments.length === 0 ? mail.subject : body
  return {
    attachments: mail.attachments,
    event: {
      id,
      at,
      type: 'message',
      thread: { id: author.mailbox.address, kind: 'direct' },
      sender: sender(author.mailbox, verified),
      text,
      parts: messageParts(text, mail.attachments.length),
      messageId: messageId ?? `${id}@no-message-id.invalid`,
      ...(replyTo.length > 0 && { replyTo }),
      ...(token !== null && { replyToken: token }),
      ...(mail.subject !== '' && { subject: mail.subject }),
      ...(isAutomatic(mail, envelope.from) && { automatic: true }),
    },
  }
}

/** Same bytes, same id; header lines that servers add on the way do not count, so a second path brings a duplicate. */
export function eventId(mail: Pick<Mail, 'headers'>, raw: Buffer): string {
  const hash = createHash('sha256')
  for (const key of ['message-id', 'date', 'from']) hash.update(`${key}:${header(mail, key)}\n`)
  const crlf = raw.indexOf('\r\n\r\n')
  const lf = raw.indexOf('\n\n')
  const body = crlf >= 0 && (lf < 0 || crlf < lf) ? crlf + 4 : lf >= 0 ? lf + 2 : 0
  return `mail-${hash.update(raw.subarray(body)).digest('hex')}`
}

/** The Date header where it can be true: mails are never from the future, and 1970 is a broken clock. */
function eventTime(date: number | null, receivedAt: number): number {
  return date === null || date > receivedAt || date < Date.UTC(1995, 0, 1) ? receivedAt : date
}

function isOwn(mail: Mail, messageId: string | null, { own, instance, signer }: ReadingContext): boolean {
  if (headerValues(mail, LOOP_HEADER.toLowerCase()).some((value) => isOwnLoopMark(value, instance, signer))) {
    // A bounce quotes our header inside a part; only the mail's own header makes it ours.
    return true
  }
  if (messageId !== null && isOwnMessageId(messageId, own)) return true
  // From our own address: an answer to it would come back to us.
  return mail.from.length === 1 && mail.from[0]?.address === own.address
}

/**
 * Who wrote. Exactly one From mailbox is certain; of several, the one the Sender header names, else the first; none at all:
 * Sender, then the envelope. Reply-To is never asked: it names whomever the writer likes.
 */
function chooseAuthor(mail: Mail, envelope: Envelope): { readonly mailbox: Mailbox; readonly certain: boolean } | null {
  const [first] = mail.from
  if (mail.from.length === 1 && first !== undefined) return { mailbox: first, certain: mail.plainFrom }
  const named = mail.sender.length === 1 ? mail.sender[0] : undefined
  if (first !== undefined)
    return { mailbox: mail.from.find(({ address }) => address === named?.address) ?? first, certain: false }
  if (named !== undefined) return { mailbox: named, certain: false }
  const address = normalizeAddress(envelope.from ?? '')
  return address === null ? null : { mailbox: { address, name: '' }, certain: false }
}

function messageParts(text: string, attachments: number): readonly Part[] {
  if (text !== '') return [{ type: 'text', text }]
  return attachments > 0 ? [] : [{ type: 'unsupported', note: 'mail without text' }]
}

function sender({ address, name }: Mailbox, verified: boolean): Sender {
  const assurance = verified ? 'verified' : 'claimed'
  return {
    id: address,
    ...(name !== '' && { name }),
    assurance,
    identifiers: [{ kind: 'email', value: address, assurance }],
  }
}

/** The new text: of the plain part, or of the HTML where that is all there is or only it shows where the quote begins. */
function bodyText(mail: Mail): string {
  const options = { subject: mail.subject }
  const plain = mail.text?.replaceAll(QUOTE_MARK, '') ?? ''
  const trimmed = trimReply(plain, options)
  const uncut = trimmed === plain.trim()
  if (mail.html !== null && (plain.trim() === '' || uncut)) {
    const fromHtml = htmlToText(mail.html)
    if (plain.trim() === '') return sliceWellFormed(trimReply(fromHtml, options), MAX_TEXT)
    const marked = fromHtml.includes(QUOTE_MARK) ? trimReply(fromHtml, options) : ''
    if (marked !== '' && marked.length < trimmed.length) return sliceWellFormed(marked, MAX_TEXT)
  }
  return sliceWellFormed(trimmed, MAX_TEXT)
}

function reportEvent(report: Report, id: string, at: number): InboundEvent {
  const thread = report.recipient === null ? {} : { thread: { id: report.recipient } }
  if (report.kind === 'failed' && report.original !== null) {
    return {
      id,
      at,
      type: 'receipt',
      status: 'failed',
      target: report.original,
      error: { code: report.code, message: report.message },
      ...thread,
    }
  }
  if (report.kind === 'complaint' && report.recipient !== null) {
    const value = report.recipient
    return {
      id,
      at,
      type: 'consent',
      granted: false,
      sender: { id: value, assurance: 'claimed', identifiers: [{ kind: 'email', value, assurance: 'claimed' }] },
    }
  }
  const note = report.kind === 'failed' ? 'bounce that does not name the mail it is about' : report.note
  return { id, at, type: 'unknown', note, ...thread }
}
