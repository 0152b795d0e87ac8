import { createHmac } from 'node:crypto'
import { retryAfterMs } from '@throughline/plugin-sdk'
import { linkSignals } from '../../clock.js'
import type { WebhookConfig } from '../../config/contract.js'
import type { LoggedEvent } from '../contract.js'
import type { WayOut } from './contract.js'

export interface Answer {
  readonly kind: 'delivered' | 'gone' | 'throttled' | 'failed'
  readonly status: number | null
  readonly error: string | null
  /** What the receiver asked for with Retry-After. */
  readonly waitMs: number | null
}

/** Answers are not read, only taken off the line. */
const maxAnswerBytes = 1024 * 1024
const mostWaitMs = 24 * 3_600_000

/** The body of one event: `{ type, timestamp, data }` with everything else of the event inside `data`; its own four win. */
export function payloadOf(event: LoggedEvent): Buffer {
  const { type, at, position, conversation, contact, actor, data } = event
  const timestamp = new Date(at).toISOString()
  const own = { position, conversation, contact, actor }
  return Buffer.from(JSON.stringify({ type, timestamp, data: { ...own, ...data, ...own } }))
}

/** `v1,<base64>` for every secret, separated by blanks, over `id.timestamp.body`. */
export function signatures(secrets: readonly string[], id: string, timestamp: string, body: Uint8Array): string {
  return secrets
    .map((secret) => {
      const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
      return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`
    })
    .join(' ')
}

/** One try. Never throws: a failure is an answer, told in words of ours, without addresses or texts. */
export async function sendOnce(
  egress: WayOut,
  endpoint: WebhookConfig,
  message: { readonly id: string; readonly body: Buffer; readonly now: number },
  signal: AbortSignal,
): Promise<Answer> {
  const timestamp = String(Math.floor(message.now / 1000))
  const limit = AbortSignal.timeout(endpoint.timeoutSeconds * 1000)
  const either = linkSignals(limit, signal)
  try {
    const { status, headers } = await egress.request({
      method: 'POST',
      url: new URL(endpoint.url),
      headers: {
        'user-agent': 'throughline',
        ...endpoint.headers,
        'content-type': 'application/json',
        'webhook-id': message.id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatures(endpoint.secrets, message.id, timestamp, message.body),
      },
      body: message.body,
      maxBytes: maxAnswerBytes,
      signal: either.signal,
    })
    if (status >= 200 && status < 300) return { kind: 'delivered', status, error: null, waitMs: null }
    if (status === 410) return { kind: 'gone', status, error: 'gone', waitMs: null }
    const asked = retryAfterMs(headers['retry-after'], message.now)
    const waitMs = asked === undefined ? null : Math.min(asked, mostWaitMs)
    const throttled = [429, 502, 503, 504].includes(status)
    // Redirects are not followed: the address of a receiver is the operator's word, not the receiver's.
    const error = status >= 300 && status < 400 ? 'redirect' : 'status'
    return { kind: throttled ? 'throttled' : 'failed', status, error, waitMs }
  } catch (error) {
    const { code, details } = error as { code?: unknown; details?: { refused?: unknown } }
    const word = limit.aborted ? 'timeout' : details?.refused === true ? 'refused' : code
    return { kind: 'failed', status: null, error: typeof word === 'string' ? word : 'unreachable', waitMs: null }
  } finally {
    either.release()
  }
}
