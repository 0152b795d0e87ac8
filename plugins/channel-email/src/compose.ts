import { type Context, type OutboundPart, type MediaHandle, PluginError } from '@throughline/plugin-sdk'
import type { SendMailOptions } from 'nodemailer'
import { normalizeAddress, type OwnAddress } from './addresses.js'
import { cleanLine } from './clean-text.js'
import { escapeHtml, markdownToHtml, plainToHtml } from './markdown-html.js'
import { REPLY_PREFIXES } from './language-markers.js'
import { loopMark, LOOP_HEADER, normalizeMessageId, ownMessageId, replyAddress } from './threading.js'

/** The newest ids of a thread, and its first. */
const MAX_REFERENCES = 20

export type ComposeDeps = {
  readonly context: Pick<Context<'channel'>, 'id' | 'files' | 'signer' | 'clock'>
  readonly own: OwnAddress
  readonly name: string | undefined
}

export type ComposedMail = { readonly options: SendMailOptions; readonly recipient: string; readonly messageId: string }

/**
 * Builds one answer as structured fields; nothing is ever pasted into a header. Whatever would have to go into a header and
 * holds CR, LF or NUL is refused. The envelope names exactly one recipient: the thread's address.
 */
export async function composeMail({ context, own, name }: ComposeDeps, part: OutboundPart): Promise<ComposedMail> {
  const recipient = normalizeAddress(part.thread.id)
  if (recipient === null || recipient === own.address) {
    throw new PluginError('recipient', 'the thread is not an e-mail address answers can go to', {
      userMessage: 'This is not an e-mail address',
    })
  }
  refuseControls('name', name ?? '')
  const messageId = ownMessageId(part.id, own)
  const replyTo = part.replyTo === undefined ? null : normalizeMessageId(part.replyTo)
  const references = threadIds(part, replyTo)
  const token = part.replyToken === undefined ? null : replyAddress(own, part.replyToken)
  const automatic = part.author.kind !== 'agent'
  const body = bodyOf(part)
  const attachments = await attachmentsOf(context, part)
  return {
    recipient,
    messageId,
    options: {
      envelope: { from: own.address, to: [recipient] },
      from: { name: name ?? '', address: own.address },
      to: { name: '', address: recipient },
      ...(token !== null && { replyTo: { name: name ?? '', address: token } }),
      subject: subjectOf(part, name ?? own.address),
      messageId: `<${messageId}>`,
      ...(replyTo !== null && { inReplyTo: `<${replyTo}>` }),
      ...(references.length > 0 && { references: references.map((id) => `<${id}>`) }),
      date: new Date(context.clock.now()),
      headers: {
        [LOOP_HEADER]: loopMark(context.id, messageId, context.signer),
        ...(automatic && { 'Auto-Submitted': 'auto-replied', 'X-Auto-Response-Suppress': 'All' }),
      },
      text: body.text,
      html: body.html,
      attachments,
      disableFileAccess: true,
      disableUrlAccess: true,
    },
  }
}

function refuseControls(field: string, value: string): void {
  // eslint-disable-next-line no-control-regex
  if (/[\u0000\r\n]/.test(value)) {
    throw new PluginError('permanent', `${field} holds a line break or NUL and cannot stand in a header`, {
      userMessage: `The ${field} must be one line`,
    })
  }
}

function subjectOf(part: OutboundPart, from: string): string {
  const subject = part.subject ?? ''
  refuseControls('subject', subject)
  const plain = cleanLine(subject, 400)
  if (plain === '') return `Message from ${cleanLine(from, 100)}`
  const colon = plain.search(/[:：]/)
  const answers =
    colon > 0 &&
    REPLY_PREFIXES.includes(
      plain
        .slice(0, colon)
        .replace(/\[\d{1,3}\]$/, '')
        .trim()
        .toLowerCase(),
    )
  return answers ? plain : `Re: ${plain}`
}

/** The first id and the newest ones, what this answers last. Ids that could not stand in a header are left out. */
function threadIds(part: OutboundPart, replyTo: string | null): readonly string[] {
  const ids = (part.references ?? []).map((id) => normalizeMessageId(id)).filter((id) => id !== null)
  const unique = [...new Set([...ids.filter((id) => id !== replyTo), ...(replyTo === null ? [] : [replyTo])])]
  const [first] = unique
  return first === undefined || unique.length <= MAX_REFERENCES + 1 ? unique : [first, ...unique.slice(-MAX_REFERENCES)]
}

function bodyOf(part: OutboundPart): { readonly text: string; readonly html: string } {
  const markdown = part.content.type === 'text' && part.content.format === 'markdown'
  const link = remoteLink(part)
  const text = link === null || part.text.includes(link) ? part.text : `${part.text}\n\n${link}`.trim()
  const inner = markdown ? markdownToHtml(text) : plainToHtml(text)
  const html = `<!doctype html><html><head><meta charset="utf-8"><title>${escapeHtml('')}</title></head><body>\n${inner}\n</body></html>`
  return { text, html }
}

function mediaOf(part: OutboundPart): MediaHandle | null {
  return 'media' in part.content ? part.content.media : null
}

/** Media that only has an address is sent as a link: mail never fetches on its own. */
function remoteLink(part: OutboundPart): string | null {
  const media = mediaOf(part)
  return media !== null && media.file === undefined && media.url !== undefined && /^https?:\/\//i.test(media.url)
    ? media.url
    : null
}

async function attachmentsOf(
  context: ComposeDeps['context'],
  part: OutboundPart,
): Promise<NonNullable<SendMailOptions['attachments']>> {
  const media = mediaOf(part)
  if (media?.file === undefined) return []
  const bytes = await context.files.get(media.file)
  if (bytes === null) {
    throw new PluginError('permanent', 'the attachment is no longer stored', {
      userMessage: 'The attached file is no longer there',
    })
  }
  const name = cleanLine(media.name ?? '', 200).replaceAll(/[/\\]/g, '_')
  const mime = /^[a-z0-9][\w.+-]{0,100}\/[\w.+-]{1,100}$/i.test(media.mime ?? '')
    ? media.mime
    : 'application/octet-stream'
  return [
    {
      filename: name === '' ? 'attachment' : name,
      content: Buffer.from(bytes),
      contentType: mime,
      contentDisposition: 'attachment',
    },
  ]
}
