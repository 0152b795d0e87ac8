import { once } from 'node:events'
import { type Context, isPluginError, PluginError } from '@throughline/plugin-sdk'
import type { ImapFlow, MailboxObject } from 'imapflow'
import { isAuthFailure, openMailbox, unreachable } from './imap-connection.js'
import type { ImapSettings } from './settings.js'
import type { Envelope } from './to-events.js'

const DAY_MS = 86_400_000
/** Header bytes kept of a mail that is larger than the limit. */
const HEADER_BYTES = 65_536

/** How far a mailbox has been read. Only mail that came after `notBefore` is ever taken in. */
export type Cursor = { readonly uidValidity: string; readonly uid: number; readonly notBefore: number }

export type ImapDeps = {
  readonly settings: ImapSettings
  readonly context: Pick<Context<'channel'>, 'state' | 'clock' | 'log'>
  readonly store: (raw: Buffer, envelope: Envelope) => Promise<unknown>
}

/**
 * Reads a mailbox until the signal aborts. The cursor (UIDVALIDITY, UID) moves only after a mail is stored, so a crash reads
 * the mail again and the inbox drops it as a duplicate. A new UIDVALIDITY voids all UIDs: everything since `notBefore` is
 * read once more. Messages are never marked or moved: the folder is opened read-only.
 */
export async function readMailbox(deps: ImapDeps, signal: AbortSignal, ready: () => void): Promise<void> {
  const { settings } = deps
  if (signal.aborted) return
  const client = await openMailbox(settings)
  const failed = once(client, 'close').then(
    () => null,
    (error: unknown) => error,
  )
  const close = () => client.close()
  signal.addEventListener('abort', close, { once: true })
  try {
    await client.connect()
    const mailbox = await client.mailboxOpen(settings.mailbox, { readOnly: true })
    let cursor = await loadCursor(deps, mailbox)
    ready()
    const wake = newMailSignal(client)
    while (!signal.aborted) {
      cursor = await readNew(deps, client, cursor, signal)
      if (!(await wake(settings.pollSeconds * 1000, failed))) break
      // Servers without IDLE, and those that forget to say so, are asked.
      await client.noop()
    }
    if (!signal.aborted) throw new PluginError('retryable', 'the IMAP server closed the connection')
  } catch (error) {
    if (signal.aborted) return
    if (isAuthFailure(error))
      throw new PluginError('auth', 'the IMAP server refused the login; check imap.user and imap.password', {
        cause: error,
      })
    if ((error as { mailboxMissing?: boolean }).mailboxMissing === true) {
      throw new PluginError('config', `imap.mailbox: there is no folder "${settings.mailbox}"`, { cause: error })
    }
    throw isPluginError(error) || !isConnectionError(error) ? error : unreachable(error)
  } finally {
    signal.removeEventListener('abort', close)
    client.close()
  }
}

/** Errors of sockets and of the IMAP library carry a code or the server's answer; those of the store do not. */
function isConnectionError(error: unknown): boolean {
  const { code, responseStatus } = error as { code?: unknown; responseStatus?: unknown }
  return typeof code === 'string' || typeof responseStatus === 'string'
}

function cursorKey({ host, user, mailbox }: ImapSettings): string {
  return `imap:${host}:${user}:${mailbox}`
}

async function loadCursor({ settings, context }: ImapDeps, mailbox: MailboxObject): Promise<Cursor> {
  const uidValidity = String(mailbox.uidValidity)
  const stored = await context.state.get<Cursor>(cursorKey(settings))
  if (stored !== null && stored.uidValidity === uidValidity) return stored
  const fresh = stored === null && settings.since === 'now'
  const cursor: Cursor = {
    uidValidity,
    uid: fresh ? Math.max(0, mailbox.uidNext - 1) : 0,
    // Server clocks are not ours and INTERNALDATE may lack the time: a day of slack only costs duplicates that are dropped.
    notBefore: stored?.notBefore ?? (settings.since === 'now' ? context.clock.now() - DAY_MS : 0),
  }
  if (stored !== null) context.log.warn({ mailbox: settings.mailbox }, 'UIDVALIDITY changed: the folder is read again')
  await context.state.set(cursorKey(settings), cursor)
  return cursor
}

/** Stores everything above the cursor, oldest first. */
async function readNew(deps: ImapDeps, client: ImapFlow, from: Cursor, signal: AbortSignal): Promise<Cursor> {
  const { settings, context, store } = deps
  let cursor = from
  // `n:*` names the last message even when its UID is below n.
  const found = await client.search({ uid: `${cursor.uid + 1}:*` }, { uid: true })
  const uids = (Array.isArray(found) ? found : []).filter((uid) => uid > cursor.uid).sort((a, b) => a - b)
  for (const uid of uids) {
    if (signal.aborted) return cursor
    const info = await client.fetchOne(String(uid), { uid: true, internalDate: true, size: true }, { uid: true })
    // Deleted since the search: nothing to read.
    if (info !== false && info !== undefined && arrivedSince(info.internalDate, cursor.notBefore)) {
      const tooLarge = (info.size ?? 0) > settings.maxBytes
      const message = await client.fetchOne(
        String(uid),
        { source: tooLarge ? { maxLength: HEADER_BYTES } : true },
        { uid: true },
      )
      const source = message === false || message === undefined ? undefined : message.source
      if (tooLarge)
        context.log.warn({ uid, bytes: info.size }, 'mail is larger than imap.maxBytes; only its beginning is kept')
      if (source !== undefined) await store(source, { from: null, to: [] })
    }
    cursor = { ...cursor, uid }
    await context.state.set(cursorKey(settings), cursor)
  }
  return cursor
}

function arrivedSince(internalDate: Date | string | undefined, notBefore: number): boolean {
  const at = internalDate === undefined ? Number.NaN : new Date(internalDate).getTime()
  return Number.isNaN(at) || at >= notBefore
}

/** Waits for new mail or the poll time. false: the connection is gone. */
function newMailSignal(client: ImapFlow): (timeoutMs: number, closed: Promise<unknown>) => Promise<boolean> {
  let pending = false
  let notify: (() => void) | null = null
  client.on('exists', () => {
    pending = true
    notify?.()
  })
  return async (timeoutMs, closed) => {
    if (!pending && client.usable) {
      let timer: NodeJS.Timeout | undefined
      const news = new Promise<void>((resolve) => {
        notify = resolve
        timer = setTimeout(resolve, timeoutMs)
      })
      await Promise.race([news, closed])
      clearTimeout(timer)
      notify = null
    }
    pending = false
    return client.usable
  }
}
