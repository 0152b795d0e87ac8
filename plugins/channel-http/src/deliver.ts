import {
  errorOfStatus,
  idOf,
  isPluginError,
  objectOf,
  PluginError,
  standardWebhookMac,
  textOf,
} from '@throughline/plugin-sdk'
import type { HttpResponse, MediaHandle, Part, PluginErrorCode, Shape } from '@throughline/plugin-sdk'
import type { HttpContext } from './config.js'

/** The other system's links to files of ours live this long. */
const linkTtlMs = 24 * 3_600_000

/** Failures the other system may name itself in the body of a 4xx. */
const named = new Set<string>(['recipient', 'window_closed', 'unsupported', 'permanent'])

/**
 * Posts one signed webhook. `id` is the idempotency key: the same over all retries, so that the other system can drop
 * what it already has.
 */
export async function post(
  { config, http, clock }: HttpContext,
  webhook: { readonly id: string; readonly type: string; readonly data: unknown },
  signal: AbortSignal,
): Promise<Shape> {
  const now = clock.now()
  const timestamp = String(Math.floor(now / 1000))
  const body = Buffer.from(
    JSON.stringify({ type: webhook.type, timestamp: new Date(now).toISOString(), data: webhook.data }),
  )
  const mac = standardWebhookMac(keyOf(config.secret), webhook.id, timestamp, body)
  const response = await http.post(config.deliverUrl, {
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': webhook.id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${mac.toString('base64')}`,
    },
    timeoutMs: config.timeoutMs,
    maxBytes: 64 * 1024,
    signal,
    allowStatus: true,
  })
  const answer = answerOf(response)
  const failure = failureOf(response, answer, now)
  if (failure !== undefined) throw failure
  return answer
}

function failureOf(response: HttpResponse, answer: Shape, now: number): PluginError | undefined {
  const byStatus = errorOfStatus(response, now, { 410: 'config' })
  if (byStatus === undefined) return undefined
  const said = objectOf(answer['error'])
  const code = textOf(said['code']) ?? ''
  const refusal = response.status >= 400 && response.status < 500 && byStatus.code === 'permanent' && named.has(code)
  if (!refusal) {
    if (response.status !== 410) return byStatus
    return new PluginError('config', 'the other system is gone (410): check deliverUrl', { details: { status: 410 } })
  }
  const userMessage = textOf(said['message'])?.slice(0, 200)
  return new PluginError(code as PluginErrorCode, `the other system refused the message with ${response.status}`, {
    details: { status: response.status },
    ...(userMessage === undefined ? {} : { userMessage }),
  })
}

/** An answer need not be JSON: 2xx alone means taken. */
function answerOf(response: HttpResponse): Shape {
  if (!(response.headers['content-type'] ?? '').includes('json')) return {}
  try {
    return objectOf(response.json())
  } catch (error) {
    if (isPluginError(error) || error instanceof SyntaxError) return {}
    throw error
  }
}

const keyOf = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)

/** The part with links instead of our own file keys. */
export function withLinks(content: Part, { files }: HttpContext): Part {
  const linked = (media: MediaHandle): MediaHandle => {
    if (media.file === undefined) return media
    const { file, ...rest } = media
    return {
      ...rest,
      url: files.url(file, { ttlMs: linkTtlMs, ...(media.name === undefined ? {} : { name: media.name }) }),
    }
  }
  const card = <C extends { readonly image?: MediaHandle }>(one: C): C =>
    one.image === undefined ? one : { ...one, image: linked(one.image) }
  if ('media' in content) return { ...content, media: linked(content.media) }
  if (content.type === 'card') return card(content)
  if (content.type === 'carousel') return { ...content, cards: content.cards.map(card) }
  return content
}

export const externalIdOf = (answer: Shape): string | undefined => idOf(answer['externalId'])
