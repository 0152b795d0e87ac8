import { isPluginError, PluginError, type SendControl } from '@throughline/plugin-sdk'
import { createTransport, type SMTPPoolOptions } from 'nodemailer'
import type { ComposedMail } from './compose.js'
import type { OutgoingSettings } from './settings.js'
import { smtpError } from './smtp-errors.js'

export type MailSender = {
  /** Hands one mail to the outgoing server; resolves when the server has taken it. Throws PluginError. */
  send(mail: ComposedMail, control: Pick<SendControl, 'signal'>): Promise<void>
  verify(): Promise<void>
  close(): void
}

/** Connects when the first mail is sent; keeps a few connections for the next ones. */
export function createSender(settings: OutgoingSettings, heloName: string): MailSender {
  const auth = settings.user === undefined ? {} : { auth: { user: settings.user, pass: settings.password ?? '' } }
  const options: SMTPPoolOptions & { pool: true } = {
    pool: true,
    host: settings.host,
    port: settings.port,
    secure: settings.secure,
    requireTLS: settings.requireTls && !settings.secure,
    name: heloName,
    ...auth,
    maxConnections: 3,
    maxMessages: 100,
    // A message whose bytes may have left must never be sent again behind the core's back.
    maxRequeues: 1,
    connectionTimeout: 15_000,
    greetingTimeout: 15_000,
    dnsTimeout: 10_000,
    socketTimeout: 60_000,
    idleTimeout: 30_000,
    logger: false,
  }
  const transport = createTransport(options)
  // Idle pooled connections may be closed by the server at any time.
  transport.on('error', () => undefined)
  // The stream of a message is read only after the server said "354 go ahead": from there on the outcome can be unknown.
  const streams = new Map<string, { readonly readableDidRead: boolean }>()
  transport.use('stream', (mail, done) => {
    mail.message.processFunc((input) => {
      streams.set(String(mail.data.messageId), input)
      return input
    })
    done()
  })
  return {
    async send({ options, recipient }, { signal }) {
      const key = String(options.messageId)
      try {
        const info = await transport.sendMail({ ...options, signal })
        if (info.accepted?.length !== 1 || info.accepted[0]?.toLowerCase() !== recipient) {
          throw new PluginError('bug', 'the outgoing server accepted other recipients than intended')
        }
      } catch (error) {
        throw isPluginError(error) ? error : smtpError(error, streams.get(key)?.readableDidRead === true)
      } finally {
        streams.delete(key)
      }
    },
    async verify() {
      try {
        await transport.verify()
      } catch (error) {
        throw smtpError(error, false)
      }
    },
    close: () => transport.close({ force: true }),
  }
}
