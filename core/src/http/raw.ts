import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { EventStream, RawRequest, Reply } from '@throughline/plugin-sdk'
import type { Clock } from '../clock.js'
import { rawRequest } from '../inbound/raw-request.js'

/**
 * Takes the content type out of Fastify's sight, which refuses a malformed one before any parser of ours is asked. It is still
 * among the raw headers.
 */
export function hideType(raw: IncomingMessage): void {
  if (raw.headers['content-type'] !== undefined) raw.headers['content-type'] = undefined
}

/** The content type as it came; of several the first, as in Node's own headers. */
function givenType({ rawHeaders }: IncomingMessage): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 12 && name.toLowerCase() === 'content-type') return rawHeaders[i + 1]
  }
  return undefined
}

/** A request for a plugin: bytes as they came; the URL is rebuilt from configuration, never from Host. */
export function toRaw(request: FastifyRequest, path: string, publicUrl: string, clock: Clock): RawRequest {
  const headers: Record<string, string> = {}
  const given = request.headers
  for (const name in given) {
    const value = given[name]
    if (typeof value === 'string') headers[name] = value
    // Two signatures are no signature: joined, they match nothing.
    else if (Array.isArray(value)) headers[name] = value.join(', ')
  }
  const type = givenType(request.raw)
  if (type !== undefined) headers['content-type'] = type
  const query: Record<string, string> = {}
  const target = request.raw.url ?? '/'
  const question = target.indexOf('?')
  if (question >= 0) for (const [name, value] of new URLSearchParams(target.slice(question + 1))) query[name] = value
  return rawRequest({
    method: request.method === 'GET' ? 'GET' : 'POST',
    path,
    url: publicUrl + (request.raw.url ?? ''),
    query,
    headers: Object.freeze(headers),
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    ip: request.ip,
    receivedAt: clock.now(),
  })
}

export function sendReply(reply: FastifyReply, answer: Reply): FastifyReply {
  void reply.code(answer.status ?? 200)
  for (const [name, value] of Object.entries(answer.headers ?? {})) void reply.header(name, value)
  const { body } = answer
  if (body === undefined) return reply.send()
  if (typeof body === 'string' || body instanceof Uint8Array) {
    if (!reply.hasHeader('content-type')) void reply.type('text/plain; charset=utf-8')
    return reply.send(body)
  }
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(body))
}

/**
 * The answer to a provider's webhook, past Fastify's serialisers and hooks: nothing of ours stands between, and this is the
 * busiest route.
 */
export function sendAtOnce(reply: FastifyReply, answer: Reply): void {
  reply.hijack()
  const { raw } = reply
  const { body } = answer
  const text =
    body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  const type = text === body ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8'
  const headers: Record<string, string | number> = { 'x-content-type-options': 'nosniff' }
  if (text !== undefined) headers['content-type'] = type
  for (const [name, value] of Object.entries(answer.headers ?? {})) headers[name.toLowerCase()] = value
  headers['content-length'] = text === undefined ? 0 : Buffer.byteLength(text)
  raw.writeHead(answer.status ?? 200, headers)
  raw.end(text)
}

export function isStream(answer: Reply | EventStream): answer is EventStream {
  return 'stream' in answer
}

const COMMENT_MS = 15_000

/**
 * Server-sent events over the raw response: headers at once, a comment every 15 s so that no proxy thinks it dead, and an
 * end as soon as the caller goes away (the signal was given to the plugin).
 */
export async function sendStream(reply: FastifyReply, stream: EventStream['stream'], over: AbortSignal): Promise<void> {
  reply.hijack()
  const { raw } = reply
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  raw.write(': hello\n\n')
  const beat = setInterval(() => raw.write(': beat\n\n'), COMMENT_MS)
  try {
    for await (const { id, event, data } of stream) {
      if (over.aborted) break
      const lines = [
        ...(id === undefined ? [] : [`id: ${oneLine(id)}`]),
        ...(event === undefined ? [] : [`event: ${oneLine(event)}`]),
        ...JSON.stringify(data ?? null)
          .split('\n')
          .map((line) => `data: ${line}`),
      ]
      if (!raw.write(`${lines.join('\n')}\n\n`)) await drained(raw, over)
    }
  } finally {
    clearInterval(beat)
    raw.end()
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ')
}

function drained(raw: FastifyReply['raw'], over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    raw.once('drain', resolve)
    over.addEventListener('abort', () => resolve(), { once: true })
  })
}
