import type { AddressInfo } from 'node:net'
import { createTransport } from 'nodemailer'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer } from 'smtp-server'
import type { TestWithTeardown } from './engine.js'

export interface OutgoingMail {
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly messageId?: string
  readonly inReplyTo?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Hands one mail to the listener of an engine, as the mail server in front of it does. */
export async function sendMail(port: number, mail: OutgoingMail): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true })
  try {
    const { headers, ...rest } = mail
    const info = await transport.sendMail({ ...rest, ...(headers === undefined ? {} : { headers: { ...headers } }) })
    return info.response
  } finally {
    transport.close()
  }
}

export interface MailSink {
  readonly port: number
  /** Mails it took, in order. */
  readonly mails: readonly { readonly to: readonly string[]; readonly mail: Email }[]
}

/** An SMTP server that takes every mail and keeps it: where the engine's answers go. */
export async function mailSink(t: TestWithTeardown): Promise<MailSink> {
  const mails: { to: readonly string[]; mail: Email }[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    closeTimeout: 50,
    logger: false,
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        PostalMime.parse(Buffer.concat(chunks)).then((mail) => {
          mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), mail })
          done()
        }, done)
      })
    },
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { port: (server.server.address() as AddressInfo).port, mails }
}
