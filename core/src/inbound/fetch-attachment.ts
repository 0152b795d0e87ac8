import { isPluginError, PluginError, type Http } from '@throughline/plugin-sdk'
import { underSignals } from '../clock.js'
import { isThroughlineError, ThroughlineError } from '../errors.js'
import type { ChannelInstance } from '../plugins/contract.js'
import type { PendingAttachment } from './attachment-store.js'

export interface FetchDeps {
  readonly channel: (id: string) => ChannelInstance | null
  /** Guarded: no stranger's URL reaches a private network. */
  readonly http: Pick<Http, 'get'>
  readonly maxBytes: number
}

export interface Fetched {
  readonly bytes: Uint8Array
  readonly mime?: string
  readonly name?: string
}

export const FETCH_MS = 60_000

/**
 * The bytes of an attachment: by the channel, where the network wants its credentials, else by the guarded client. A channel
 * that can fetch but does not run now is waited for; its links are not tried without credentials.
 */
export async function fetchAttachment(deps: FetchDeps, one: PendingAttachment, signal: AbortSignal): Promise<Fetched> {
  const instance = deps.channel(one.channel)
  if (instance !== null && instance.live === null) throw unavailable(one.channel)
  if (instance?.live?.fetchMedia !== undefined) {
    return instance.call('fetchMedia', FETCH_MS, (live, limit) =>
      underSignals([limit, signal], async (either) => {
        if (live.fetchMedia === undefined) throw unavailable(one.channel)
        return live.fetchMedia(one.handle, { signal: either, attempt: one.attempts })
      }),
    )
  }
  if (one.handle.url === undefined) {
    if (instance === null) throw unavailable(one.channel)
    throw new PluginError('unsupported', `the channel ${one.channel} cannot fetch attachments`)
  }
  const answer = await deps.http.get(one.handle.url, {
    timeoutMs: FETCH_MS,
    maxBytes: deps.maxBytes,
    signal,
    // The link carries all the rights there are: one that was refused has run out, no operator can mend it.
    errors: { 401: 'permanent', 403: 'permanent', 404: 'permanent', 410: 'permanent' },
  })
  const mime = answer.headers['content-type']?.split(';')[0]?.trim()
  return { bytes: answer.body, ...(mime === undefined ? {} : { mime }) }
}

function unavailable(channel: string): ThroughlineError {
  return new ThroughlineError('TL_CHANNEL_UNAVAILABLE', `the channel ${channel} does not run; it is waited for`)
}

/** What becomes of an attachment that could not be fetched. */
export type Verdict =
  | { readonly outcome: 'again'; readonly code: string; readonly afterMs?: number; readonly counted: boolean }
  | { readonly outcome: 'missing' | 'refused'; readonly code: string; readonly reason: string }

const passing: ReadonlySet<string> = new Set(['retryable', 'uncertain', 'bug'])
/** Until the operator has repaired the channel. */
const operators: ReadonlySet<string> = new Set(['auth', 'config'])

export function judge(error: unknown): Verdict {
  if (isThroughlineError(error) && (error.code === 'TL_CHANNEL_UNAVAILABLE' || error.code === 'TL_PLUGIN_BUSY')) {
    return { outcome: 'again', code: error.code, afterMs: 60_000, counted: false }
  }
  if (!isPluginError(error)) {
    return { outcome: 'again', code: isThroughlineError(error) ? error.code : 'bug', counted: true }
  }
  const { code } = error
  if (code === 'rate_limited') {
    return { outcome: 'again', code, afterMs: Math.max(error.retryAfterMs ?? 30_000, 1_000), counted: false }
  }
  if (operators.has(code)) return { outcome: 'again', code, afterMs: 300_000, counted: false }
  if (passing.has(code)) return { outcome: 'again', code, counted: true }
  // A PluginError's own words: they name hosts and limits, never what a customer wrote.
  const reason = (error.userMessage ?? error.message).slice(0, 300)
  const ours = error.details?.['refused'] === true || /more than \d+ bytes|over the limit/.test(error.message)
  return { outcome: ours || code === 'unsupported' ? 'refused' : 'missing', code, reason }
}
