import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export type SunkMail = {
  readonly from: string
  readonly to: readonly string[]
  readonly raw: Buffer
  readonly user: string | null
}
export type SinkReply = {
  readonly at: 'connect' | 'mail' | 'rcpt' | 'data' | 'auth'
  readonly code: number
  readonly text: string
}

/** A real SMTP server that keeps what it gets, or answers as told. */
export class SmtpSink {
  readonly mails: SunkMail[] = []
  reply: SinkReply | null = null
  /** `hang`: never answers after the message has come; `cut`: drops the connection there. */
  afterData: 'accept' | 'hang' | 'cut' = 'accept'
  /** Called before the message is answered. */
  onMail: (mail: SunkMail) => Promise<void> = async () => undefined
  #got: (() => void)[] = []
  #server: SMTPServer

  constructor() {
    const refuse = (at: SinkReply['at']) =>
      this.reply?.at === at ? Object.assign(new Error(this.reply.text), { responseCode: this.reply.code }) : null
    this.#server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      closeTimeout: 50,
      logger: false,
      onConnect: (_session, done) => done(refuse('connect')),
      onAuth: (auth, _session, done) => {
        const error = refuse('auth')
        if (error !== null) done(error)
        else done(null, { user: auth.username })
      },
      onMailFrom: (_address, _session, done) => done(refuse('mail')),
      onRcptTo: (_address, _session, done) => done(refuse('rcpt')),
      onData: (stream, session, done) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope
          const mail = {
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            raw: Buffer.concat(chunks),
            user: (session.user as string | undefined) ?? null,
          }
          this.mails.push(mail)
          void this.onMail(mail).then(() => {
            for (const got of this.#got.splice(0)) got()
            if (this.afterData === 'cut') for (const connection of this.#server.connections) connection.close()
            else if (this.afterData === 'accept') done(refuse('data'))
          }, done)
        })
      },
    })
    this.#server.on('error', () => undefined)
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()))
    return (this.#server.server.address() as AddressInfo).port
  }

  /** Resolves when the next message has come in. */
  nextMail(): Promise<void> {
    return new Promise((resolve) => this.#got.push(resolve))
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}
