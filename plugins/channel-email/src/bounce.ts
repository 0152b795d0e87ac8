import { normalizeAddress, parseMailboxes } from './addresses.js'
import { cleanLine } from './clean-text.js'
import { header, headerValues, type Mail, parseHeaderBlock } from './parse-mail.js'
import { normalizeMessageId } from './threading.js'

/** What a report about an earlier mail says. `original` is the Message-ID of the mail it is about. */
export type Report =
  | {
      readonly kind: 'failed'
      readonly original: string | null
      readonly recipient: string | null
      readonly code: string
      readonly message: string
    }
  | { readonly kind: 'delayed' | 'other'; readonly recipient: string | null; readonly note: string }
  | { readonly kind: 'complaint'; readonly recipient: string | null; readonly note: string }

const MAX_REPORT = 65_536
const DAEMON = /^(?:mailer-daemon|postmaster|mail-daemon|maildelivery|mdaemon|mail\.daemon|administrator)@/
const BOUNCE_SUBJECT =
  /undeliver|delivery (?:status|failure|has failed|problem)|delivery failed|failure notice|returned mail|mail delivery|returned to sender|non[- ]?deliver|unzustellbar|nicht zugestellt|non remis|no entregad|mancato recapito|delayed mail/i

/** Reads delivery reports (RFC 3464), complaints (RFC 5965) and the free-text bounces of older servers; null: no report. */
export function readReport(mail: Mail): Report | null {
  const part = (type: string) => mail.attachments.find(({ mime }) => mime === type)
  const feedback = part('message/feedback-report')
  if (feedback !== undefined) return readComplaint(text(feedback.bytes), original(mail))
  // Some servers send several such parts, one of them prose, and some an empty one: the first with fields counts.
  const statuses = mail.attachments.filter(
    ({ mime }) => mime === 'message/delivery-status' || mime === 'message/global-delivery-status',
  )
  const filled = statuses
    .map(({ bytes }) => text(bytes))
    .find((block) => /^(?:final-recipient|action)[ \t]{0,8}:/im.test(block))
  if (filled !== undefined) return readStatus(filled, mail)
  return statuses.length > 0 || isFreeTextBounce(mail) ? readFreeText(mail) : null
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, MAX_REPORT)).toString('utf8')
}

type Fields = ReadonlyMap<string, string>

/** Headers of the mail the report is about. */
function original(mail: Mail): Fields {
  const types = [
    'message/rfc822',
    'text/rfc822-headers',
    'message/global',
    'message/global-headers',
    'message/rfc822-headers',
  ]
  const part = mail.attachments.find(({ mime }) => types.includes(mime))
  return fields(part === undefined ? '' : text(part.bytes))
}

/** The first value of each field counts. */
function fields(block: string): Fields {
  const map = new Map<string, string>()
  for (const { key, value } of parseHeaderBlock(block)) if (!map.has(key)) map.set(key, value)
  return map
}

function readStatus(report: string, mail: Mail): Report {
  // Groups of fields between empty lines: one about the server, then one a recipient. Our mails have one recipient.
  const groups = report.split(/\n[ \t]*\r?\n/, 100).map((block) => fields(block))
  const about = groups.filter(
    (group) => group.has('final-recipient') || group.has('original-recipient') || group.has('action'),
  )
  const failed = about.find((group) => word(group.get('action')) === 'failed') ?? about[0] ?? new Map<string, string>()
  const action = word(failed.get('action'))
  const code = /[245]\.\d{1,3}\.\d{1,3}/.exec(failed.get('status') ?? '')?.[0] ?? ''
  const recipient = reportAddress(failed.get('original-recipient')) ?? reportAddress(failed.get('final-recipient'))
  // The action decides: a server that gives up after days of trying reports `failed` with a 4.x.x status.
  if (action === 'failed' || (action === '' && code.startsWith('5'))) {
    const diagnostic = (failed.get('diagnostic-code') ?? '').replace(/^[\w-]{1,20};/, '')
    return {
      kind: 'failed',
      original: normalizeMessageId(original(mail).get('message-id') ?? ''),
      recipient,
      code: code === '' ? '5.0.0' : code,
      message: cleanLine(diagnostic === '' ? mail.subject : diagnostic, 200),
    }
  }
  if (action === 'delayed' || code.startsWith('4')) return { kind: 'delayed', recipient, note: 'delivery delayed' }
  return { kind: 'other', recipient, note: `delivery report: ${/^[a-z]{1,20}$/.test(action) ? action : 'unknown'}` }
}

function word(value: string | undefined): string {
  return (/^\s*([a-z-]+)/i.exec(value ?? '')?.[1] ?? '').toLowerCase()
}

/** `rfc822; ann@example.org` */
function reportAddress(value: string | undefined): string | null {
  if (value === undefined) return null
  const raw = value.slice(value.indexOf(';') + 1).trim()
  return normalizeAddress(raw.startsWith('<') ? raw.slice(1, raw.lastIndexOf('>')) : raw)
}

function readComplaint(report: string, about: Fields): Report {
  const values = fields(report)
  const type = word(values.get('feedback-type'))
  const recipient =
    reportAddress(values.get('original-rcpt-to')) ??
    reportAddress(values.get('removal-recipient')) ??
    parseMailboxes(about.get('to') ?? '')[0]?.address ??
    null
  if (type === 'not-spam' || type === 'auth-failure')
    return { kind: 'other', recipient, note: `feedback report: ${type}` }
  return { kind: 'complaint', recipient, note: `complaint: ${type === '' ? 'abuse' : type}` }
}

function isFreeTextBounce(mail: Mail): boolean {
  if (header(mail, 'x-failed-recipients') !== '') return true
  const daemon =
    mail.from.some(({ address }) => DAEMON.test(address)) || /^\s*<?mailer-daemon/i.test(header(mail, 'from'))
  return daemon && BOUNCE_SUBJECT.test(mail.subject)
}

function readFreeText(mail: Mail): Report {
  const body = (mail.text ?? '').slice(0, MAX_REPORT)
  const listed = headerValues(mail, 'x-failed-recipients').flatMap((value) => parseMailboxes(value))
  const recipient = listed[0]?.address ?? firstAddress(body)
  if (/delay|still being retried|warning|not yet been delivered/i.test(mail.subject))
    return { kind: 'delayed', recipient, note: 'delivery delayed' }
  const enhanced = /(?:^|[\s(#])([45]\.\d{1,3}\.\d{1,3})(?:$|[\s),;:])/m.exec(body)?.[1]
  const code = enhanced ?? /(?:^|\s)(5\d\d)[ -]/m.exec(body)?.[1] ?? '5.0.0'
  const inBody = /^[> \t]{0,8}message-id:[ \t]{0,8}(<[^<>\s]{3,400}>)/im.exec(body)?.[1]
  const id = normalizeMessageId(original(mail).get('message-id') ?? inBody ?? '')
  return { kind: 'failed', original: id, recipient, code, message: cleanLine(mail.subject, 200) }
}

function firstAddress(body: string): string | null {
  const match = /[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/.exec(body)
  return match === null ? null : normalizeAddress(match[0])
}
