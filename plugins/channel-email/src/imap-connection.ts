import { PluginError } from '@throughline/plugin-sdk'
import type { ImapFlow } from 'imapflow'
import type { ImapSettings } from './settings.js'

/** IDLE is begun anew well before the 29 minutes after which servers may hang up. */
const IDLE_MS = 25 * 60_000

/** A client for the mailbox, not yet connected. The library is loaded here: most instances never need it. */
export async function openMailbox(settings: ImapSettings, verifyOnly = false): Promise<ImapFlow> {
  if (settings.password === undefined && settings.accessToken === undefined) {
    throw new PluginError('config', 'imap: set password or accessToken')
  }
  const { ImapFlow: Client } = await import('imapflow')
  const client = new Client({
    host: settings.host,
    port: settings.port,
    secure: settings.tls,
    auth: {
      user: settings.user,
      ...(settings.accessToken !== undefined ? { accessToken: settings.accessToken } : { pass: settings.password }),
    },
    verifyOnly,
    logger: false,
    clientInfo: { name: 'throughline' },
    autoIdleDelay: 500,
    maxIdleTime: IDLE_MS,
    connectionTimeout: 15_000,
    greetingTimeout: 15_000,
    socketTimeout: 5 * 60_000,
    maxLiteralSize: settings.maxBytes + 1_048_576,
    maxResponseSize: settings.maxBytes * 2 + 4_194_304,
    maxLineLength: 16_777_216,
  })
  // Errors also reject the call under way; without a listener the event would end the process.
  client.on('error', () => undefined)
  return client
}

export function isAuthFailure(error: unknown): boolean {
  return (error as { authenticationFailed?: boolean } | null)?.authenticationFailed === true
}

/** The server cannot be used now; what its errors say may name the user, so only their code is shown. */
export function unreachable(cause: unknown): PluginError {
  const { code, responseStatus } = cause as { code?: string; responseStatus?: string }
  return new PluginError('retryable', `the IMAP server cannot be used now (${code ?? responseStatus ?? 'error'})`, {
    cause,
  })
}
