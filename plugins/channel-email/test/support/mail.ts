import { createTestContext, settingsOf } from '@throughline/plugin-sdk/testing'
import plugin from '../../src/index.js'
import { ownAddress, type OwnAddress } from '../../src/addresses.js'
import type { Settings } from '../../src/settings.js'
import { parseMail } from '../../src/parse-mail.js'
import { type Envelope, type MailEvent, mailToEvent, type ReadingContext } from '../../src/to-events.js'

export const own = ownAddress('support@example.com') as OwnAddress

/** A mail of lines; header lines first, an empty line, then the body. CRLF as on the wire. */
export function mail(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.join('\r\n') + '\r\n')
}

/** A plain mail from Ann with some of its headers changed (null: left out) and further ones. */
export function plain(changes: Readonly<Record<string, string | null>> = {}, body = 'Hello'): Buffer {
  const headers: Record<string, string | null> = {
    From: 'Ann <ann@example.org>',
    To: 'support@example.com',
    Subject: 'Question',
    'Message-ID': '<m1@example.org>',
    Date: 'Tue, 06 Jan 2026 10:00:00 +0000',
    ...changes,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]))
  return mail(...lines, '', ...body.split('\n'))
}

export const signer: ReadingContext['signer'] = {
  sign: (data) => Buffer.from(`signed ${data}`).toString('base64url'),
  verify: (data, signature) => Buffer.from(`signed ${data}`).toString('base64url') === signature,
}

export const receivedAt = Date.UTC(2026, 10, 1)

export async function read(
  raw: Buffer,
  options: { readonly envelope?: Partial<Envelope>; readonly trusted?: readonly string[] } = {},
): Promise<MailEvent> {
  const context = { instance: 'email', own, trustedAuthserv: options.trusted ?? [], signer, receivedAt }
  return mailToEvent(await parseMail(raw), raw, { from: 'ann@example.org', to: [], ...options.envelope }, context)
}

type Message = Extract<MailEvent['event'], { type: 'message' }>

/** The event of a mail that must be a message. */
export async function readMessage(raw: Buffer, options: Parameters<typeof read>[1] = {}): Promise<Message> {
  const { event } = await read(raw, options)
  if (event.type !== 'message') throw new Error(`not a message but ${event.type}`)
  return event
}

/** A running instance's parts: its context in memory, and the channel. */
export async function instance(written: Readonly<Record<string, unknown>>, id = 'email') {
  const config: Settings = settingsOf(plugin, { address: 'support@example.com', ...written })
  const host = createTestContext<'channel', Settings>({ kind: 'channel', id, config, now: receivedAt })
  return { host, channel: await plugin.setup(host.context) }
}
