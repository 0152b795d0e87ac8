import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { type Logger, PluginError } from '@throughline/plugin-sdk'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { type OwnAddress, plusPart } from './addresses.js'
import { clientFilter, parseListen } from './clients.js'
import type { SmtpSettings } from './settings.js'
import type { Envelope } from './to-events.js'

const MAX_CLIENTS = 50
const MAX_RECIPIENTS = 20
/** Mails being received at the same time may take this many times `maxBytes` of memory; more are told to come back. */
const MAX_PARALLEL = 4

export type ListenerDeps = {
  readonly settings: SmtpSettings
  readonly own: OwnAddress
  readonly log: Logger
  /** Resolves when the mail is durable. A rejection is answered 451: the sender keeps it and tries again. */
  readonly store: (raw: Buffer, envelope: Envelope) => Promise<unknown>
}

export type Listener = { readonly address: string; close(): Promise<void> }

class SmtpReply extends Error {
  readonly responseCode: number
  constructor(code: number, text: string) {
    super(text)
    this.responseCode = code
  }
}

/**
 * Listens for mail to our own address, and nothing else: every other recipient is refused, so this can never relay.
 * Rejects with the system's error (EADDRINUSE …) when it cannot listen.
 */
export async function startListener({ settings, own, log, store }: ListenerDeps): Promise<Listener> {
  const allowed = clientFilter(settings.allowedClients)
  const { host, port } = parseListen(settings.listen)
  const tls = await readTls(settings)
  const budget = { bytes: 0, max: settings.maxBytes * MAX_PARALLEL }
  const running = new Set<Promise<void>>()

  const server = new SMTPServer({
    name: own.replyDomain,
    banner: 'Throughline',
    size: settings.maxBytes,
    authOptional: true,
    disabledCommands: tls === null ? ['AUTH', 'STARTTLS'] : ['AUTH'],
    secure: settings.secure,
    ...(tls ?? {}),
    disableReverseLookup: true,
    maxClients: MAX_CLIENTS,
    socketTimeout: 60_000,
    closeTimeout: 3_000,
    logger: false,
    onConnect(session, callback) {
      if (allowed(session.remoteAddress)) return callback()
      log.warn({ client: session.remoteAddress }, 'connection refused: not in smtp.allowedClients')
      callback(new SmtpReply(554, 'Not allowed to connect'))
    },
    onRcptTo(address, session, callback) {
      if (session.envelope.rcptTo.length >= MAX_RECIPIENTS) return callback(new SmtpReply(452, 'Too many recipients'))
      if (plusPart(address.address, own) === null) return callback(new SmtpReply(550, 'No such mailbox here'))
      callback()
    },
    onData(stream, session, callback) {
      const work = receive(stream, session).then(
        () => callback(null, 'OK: stored'),
        (error: unknown) => {
          if (error instanceof SmtpReply) return callback(error)
          log.error(
            { error: error instanceof Error ? error.message : String(error) },
            'mail could not be stored; the sender will try again',
          )
          callback(new SmtpReply(451, 'Could not be stored now, try again later'))
        },
      )
      running.add(work)
      void work.finally(() => running.delete(work))
    },
  })

  async function receive(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const chunks: Buffer[] = []
    let size = 0
    let refused: SmtpReply | null = null
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        // Keep reading after a refusal: the reply may only be sent once the client has finished.
        if (refused !== null) continue
        if (size + chunk.length > settings.maxBytes)
          refused = new SmtpReply(552, `Message exceeds ${settings.maxBytes} bytes`)
        else if (budget.bytes + chunk.length > budget.max)
          refused = new SmtpReply(452, 'Too much mail at once, try again later')
        if (refused !== null) {
          budget.bytes -= size
          size = 0
          chunks.length = 0
          continue
        }
        chunks.push(chunk)
        size += chunk.length
        budget.bytes += chunk.length
      }
      if (refused !== null) throw refused
      const { mailFrom, rcptTo } = session.envelope
      await store(Buffer.concat(chunks), {
        from: mailFrom === false ? '' : mailFrom.address,
        to: rcptTo.map(({ address }) => address),
      })
    } finally {
      budget.bytes -= size
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Clients that vanish or speak no SMTP: their own trouble, but an unhandled 'error' event would end the process.
  server.on('error', (error: Error) => log.debug({ error: error.message }, 'smtp connection ended with an error'))

  const bound = server.server.address() as AddressInfo
  let closing: Promise<void> | null = null
  return {
    address: `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close() {
      closing ??= new Promise<void>((resolve) => server.close(() => resolve())).then(async () => {
        await Promise.allSettled([...running])
      })
      return closing
    },
  }
}

async function readTls({
  keyFile,
  certFile,
  secure,
}: SmtpSettings): Promise<{ readonly key: Buffer; readonly cert: Buffer } | null> {
  if (keyFile === undefined && certFile === undefined) {
    if (!secure) return null
    throw new PluginError('config', 'smtp.secure needs smtp.keyFile and smtp.certFile')
  }
  if (keyFile === undefined || certFile === undefined)
    throw new PluginError('config', 'smtp.keyFile and smtp.certFile belong together: set both')
  try {
    const [key, cert] = await Promise.all([readFile(keyFile), readFile(certFile)])
    return { key, cert }
  } catch (cause) {
    throw new PluginError(
      'config',
      `smtp: the TLS key or certificate cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'})`,
      { cause },
    )
  }
}
