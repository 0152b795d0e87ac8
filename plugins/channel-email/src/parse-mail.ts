import PostalMime, { decodeWords } from 'postal-mime'
import { type Mailbox, parseMailboxes } from './addresses.js'
import { repairCharsets } from './charset-repair.js'
import { cleanLine, cleanText } from './clean-text.js'

/** More attachments than anybody sends; the rest of a thousand-part mail stays in the stored raw mail. */
const MAX_ATTACHMENTS = 100

export type MailAttachment = {
  readonly name: string | null
  readonly mime: string
  readonly bytes: Uint8Array
  /** Shown inside the text (cid:), not attached by hand. */
  readonly inline: boolean
}

/** A decoded mail, before anybody decides what it means. */
export type Mail = {
  readonly headers: readonly { readonly key: string; readonly value: string }[]
  /** Every From mailbox of every From header: exactly one is the normal case. */
  readonly from: readonly Mailbox[]
  /** One From header that holds one address and nothing else another parser could take for an address. */
  readonly plainFrom: boolean
  readonly sender: readonly Mailbox[]
  readonly subject: string
  readonly date: number | null
  readonly text: string | null
  readonly html: string | null
  readonly attachments: readonly MailAttachment[]
  readonly droppedAttachments: number
  readonly size: number
}

/** Decodes a raw mail. Throws where the MIME structure passes the parser's limits (depth 256, 2 MiB of headers). */
export async function parseMail(raw: Buffer): Promise<Mail> {
  const bytes = repairCharsets(withoutMboxLine(raw))
  // A copy into a buffer of its own: the parser keeps views, and the caller keeps `raw` until it is stored.
  const email = await PostalMime.parse(bytes, { forceRfc822Attachments: true })
  const headers = email.headers.map(({ key, value }) => ({ key, value }))
  const values = (key: string) => headers.filter((header) => header.key === key).map((header) => header.value)
  const from = values('from')
  const date = Date.parse(values('date')[0] ?? '')
  const attachments = email.attachments.slice(0, MAX_ATTACHMENTS).map((part): MailAttachment => {
    const content = typeof part.content === 'string' ? Buffer.from(part.content) : new Uint8Array(part.content)
    const name = part.filename === null ? null : cleanLine(part.filename, 255)
    const inline = part.related === true || (part.disposition === 'inline' && part.contentId !== undefined)
    return { name: name === '' ? null : name, mime: mimeType(part.mimeType), bytes: content, inline }
  })
  return {
    headers,
    from: from.flatMap((value) => parseMailboxes(value)),
    plainFrom: from.length === 1 && (from[0] as string).split('@').length === 2,
    sender: values('sender').flatMap((value) => parseMailboxes(value)),
    subject: cleanLine(decodeWords((values('subject')[0] ?? '').slice(0, 4096)), 998),
    date: Number.isNaN(date) ? null : date,
    text: email.text === undefined ? null : cleanText(email.text),
    html: email.html === undefined ? null : cleanText(email.html),
    attachments,
    droppedAttachments: email.attachments.length - attachments.length,
    size: raw.length,
  }
}

/** First value of a header, '' when absent. */
export function header(mail: Pick<Mail, 'headers'>, key: string): string {
  return mail.headers.find((entry) => entry.key === key)?.value ?? ''
}

export function headerValues(mail: Pick<Mail, 'headers'>, key: string): readonly string[] {
  return mail.headers.filter((entry) => entry.key === key).map((entry) => entry.value)
}

/** Headers of a block of text (the returned message inside a bounce), unfolded; stops at the first empty line. */
export function parseHeaderBlock(text: string): readonly { readonly key: string; readonly value: string }[] {
  const found: { key: string; value: string }[] = []
  for (const line of text.slice(0, 262_144).split(/\r?\n/)) {
    if (line.trim() === '') {
      if (found.length > 0) break
      continue
    }
    const last = found.at(-1)
    const colon = line.indexOf(':')
    if (/^[ \t]/.test(line)) {
      if (last !== undefined && last.value.length < 8192) last.value += ` ${line.trim()}`
    } else if (colon > 0)
      found.push({ key: line.slice(0, colon).trim().toLowerCase(), value: line.slice(colon + 1).trim() })
  }
  return found
}

/** Mailboxes stored as mbox files start with `From sender date`, which is no header. */
function withoutMboxLine(raw: Buffer): Buffer {
  if (raw.toString('latin1', 0, 5) !== 'From ') return raw
  const lf = raw.indexOf(0x0a)
  return lf < 0 ? raw : raw.subarray(lf + 1)
}

function mimeType(raw: string): string {
  return /^[a-z0-9][\w.+-]{0,100}\/[\w.+-]{1,100}$/.test(raw) ? raw : 'application/octet-stream'
}
