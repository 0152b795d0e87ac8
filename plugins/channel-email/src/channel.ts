import { type Channel, type CheckResult, type Context, isPluginError, PluginError } from '@throughline/plugin-sdk'
import { normalizeAddress, ownAddress, type OwnAddress } from './addresses.js'
import { countAutoReply, forgetAutoReplies } from './auto-reply-limit.js'
import { composeMail } from './compose.js'
import { readMailbox } from './imap.js'
import { isAuthFailure, openMailbox, unreachable } from './imap-connection.js'
import { storeMail } from './intake.js'
import { superviseListener } from './listener-supervisor.js'
import type { OutgoingSettings, Settings } from './settings.js'
import type { MailSender } from './smtp-sender.js'
import type { Envelope } from './to-events.js'

type EmailContext = Context<'channel', Settings>

function ownOf({ address, replyDomain }: Settings): OwnAddress {
  const own = ownAddress(address, replyDomain)
  if (own === null)
    throw new PluginError(
      'config',
      'address or replyDomain is not valid; write them like support@example.com and example.com',
    )
  return own
}

/** The library is loaded by the instances that have an outgoing server. */
async function openSender(outgoing: OutgoingSettings, own: OwnAddress): Promise<MailSender> {
  const { createSender } = await import('./smtp-sender.js')
  return createSender(outgoing, own.replyDomain)
}

/** One mailbox: receives over SMTP, IMAP or both, and answers over the outgoing SMTP server. */
export async function createChannel(context: EmailContext): Promise<Channel> {
  const { config } = context
  const own = ownOf(config)
  const intake = { context, own, trustedAuthserv: config.trustedAuthserv }
  const store = (raw: Buffer, envelope: Envelope) => storeMail(intake, raw, envelope)
  const sender = config.outgoing === undefined ? null : await openSender(config.outgoing, own)
  const listener =
    config.smtp === undefined
      ? null
      : superviseListener({
          settings: config.smtp,
          own,
          log: context.log,
          store,
          setHealth: (health) => context.setHealth(health),
        })
  const { imap } = config

  return {
    async start() {
      context.every('forget-auto-replies', 3_600_000, () => forgetAutoReplies(context.state, context.clock))
      await listener?.start()
      if (sender === null) {
        context.log.info({}, 'no outgoing server is set: answers by e-mail stay queued')
      }
    },
    async stop() {
      await listener?.stop()
      sender?.close()
    },
    health() {
      const address = listener?.address() ?? null
      if (listener !== null && address === null) {
        return {
          status: 'degraded',
          code: 'smtp_not_listening',
          detail: `not listening on ${config.smtp?.listen ?? ''}`,
          userAction: 'Free the port or set another smtp.listen',
        }
      }
      return { status: 'ok', detail: address === null ? 'ready' : `smtp ${address}` }
    },
    ...(imap !== undefined && {
      connect: (signal: AbortSignal, ready: () => void) =>
        readMailbox({ settings: imap, context, store }, signal, ready),
    }),
    async open(to) {
      const named = to.identifiers?.find(({ kind }) => kind === 'email')?.value ?? to.id
      const address = normalizeAddress(named)
      if (address === null)
        throw new PluginError('recipient', 'not an e-mail address', { userMessage: 'This is not an e-mail address' })
      return { id: address }
    },
    async send(part, control) {
      if (sender === null) {
        throw new PluginError('config', 'no outgoing mail server: set `outgoing` of this channel', {
          userMessage: 'This mailbox cannot send yet: the operator has to set an outgoing mail server',
        })
      }
      const mail = await composeMail({ context, own, name: config.name }, part)
      if (part.author.kind === 'system') {
        const limit = { state: context.state, clock: context.clock, limit: config.autoReplyLimit }
        await countAutoReply(limit, mail.recipient, part.idempotencyKey)
      }
      await sender.send(mail, control)
      return { externalId: mail.messageId }
    },
  }
}

/** Logs in wherever a login is configured; delivers nothing. */
export async function checkAccounts({ config }: EmailContext): Promise<CheckResult> {
  try {
    const own = ownOf(config)
    if (config.outgoing !== undefined) {
      const sender = await openSender(config.outgoing, own)
      try {
        await sender.verify()
      } finally {
        sender.close()
      }
    }
    if (config.imap !== undefined) {
      const client = await openMailbox(config.imap, true)
      try {
        await client.connect()
      } catch (cause) {
        if (isAuthFailure(cause))
          return { ok: false, detail: 'the IMAP server refused the login; check imap.user and imap.password' }
        throw unreachable(cause)
      } finally {
        client.close()
      }
    }
    return {
      ok: true,
      account: own.address,
      detail: config.outgoing === undefined ? 'no outgoing server is set' : 'logins work',
    }
  } catch (error) {
    // A server that is away proves nothing about the credentials: only a refusal is a no.
    if (isPluginError(error) && error.code === 'auth') return { ok: false, detail: error.message }
    throw error
  }
}
