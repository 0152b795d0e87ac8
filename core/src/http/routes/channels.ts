import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Endpoint } from '@throughline/plugin-sdk'
import rateLimit from '@fastify/rate-limit'
import { ThroughlineError } from '../../errors.js'
import { receiveWebhook } from '../../inbound/receive.js'
import type { HttpDeps } from '../deps.js'
import { isStream, hideType, sendAtOnce, sendReply, sendStream, toRaw } from '../raw.js'

const ENDPOINT_BYTES = 65_536
const HANDLE_MS = 30_000

/**
 * One wildcard for every channel: instances start late, restart and go away without a route being added. The body is kept as
 * raw bytes whatever its type, because signatures are made over bytes.
 */
export async function channelRoutes(app: FastifyInstance, deps: HttpDeps, closing: AbortSignal): Promise<void> {
  // Whatever type a body claims to have, and however oddly: the signature is over its bytes, and the plugin reads them.
  app.addHook('onRequest', (request, _reply, done) => {
    hideType(request.raw)
    done()
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  await app.register(rateLimit, { global: false, max: 120, timeWindow: 10_000, keyGenerator: (request) => request.ip })

  app.route({
    method: ['GET', 'POST'],
    url: '/channels/:channel/webhook',
    bodyLimit: deps.config.server.webhookBodyLimit,
    schema: { hide: true },
    // Answers to providers' servers: the headers that protect browsers are left out but for one.
    helmet: false,
    handler: async (request, reply) => {
      const { channel } = request.params as { channel: string }
      const raw = toRaw(request, '', deps.config.server.publicUrl, deps.clock)
      const receive = { log: deps.log, channel: (id: string) => deps.plugins.channel(id), ingress: deps.ingress }
      sendAtOnce(reply, await receiveWebhook(receive, channel, raw))
    },
  })

  app.route({
    method: ['GET', 'POST', 'OPTIONS'],
    url: '/channels/:channel/:endpoint',
    bodyLimit: ENDPOINT_BYTES,
    schema: { hide: true },
    config: { rateLimit: {} },
    handler: (request, reply) => serveEndpoint(deps, request, reply, closing),
  })
}

async function serveEndpoint(
  deps: HttpDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  closing: AbortSignal,
): Promise<FastifyReply | undefined> {
  const { channel, endpoint: name } = request.params as { channel: string; endpoint: string }
  const instance = deps.plugins.channel(channel)
  if (instance === null) throw new ThroughlineError('TL_CHANNEL_UNKNOWN', 'there is no such channel here')
  if (instance.live === null)
    throw new ThroughlineError('TL_CHANNEL_UNAVAILABLE', `the channel ${channel} is not running; try again later`)
  const { endpoints } = instance.live
  const endpoint = endpoints !== undefined && Object.hasOwn(endpoints, name) ? endpoints[name] : undefined
  if (endpoint === undefined) throw new ThroughlineError('TL_REQUEST_NOT_FOUND', 'the channel has no such endpoint')
  allowOrigin(endpoint, request, reply, deps.config.server.publicUrl)
  if (request.method === 'OPTIONS') {
    return reply
      .code(204)
      .headers({
        'access-control-allow-methods': endpoint.method,
        'access-control-allow-headers': 'authorization, content-type, last-event-id',
        'access-control-max-age': '600',
      })
      .send()
  }
  if (request.method !== endpoint.method)
    throw new ThroughlineError('TL_REQUEST_NOT_FOUND', `this endpoint takes ${endpoint.method}`)
  const over = new AbortController()
  const end = () => over.abort()
  reply.raw.on('close', end)
  closing.addEventListener('abort', end, { once: true })
  try {
    const raw = toRaw(request, name, deps.config.server.publicUrl, deps.clock)
    const answer = await instance.call(`endpoint ${name}`, HANDLE_MS, () =>
      endpoint.handle(raw, { signal: over.signal }),
    )
    if (!isStream(answer)) return sendReply(reply, answer)
    await sendStream(reply, answer.stream, over.signal)
    return undefined
  } finally {
    closing.removeEventListener('abort', end)
  }
}

/** Cross-origin calls get their header only for the endpoint's origins; without it the browser refuses the answer. */
function allowOrigin(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply, publicUrl: string): void {
  const { origin } = request.headers
  void reply.header('vary', 'origin')
  if (origin === undefined) return
  const allowed =
    endpoint.origins === '*' || endpoint.origins?.includes(origin) === true || origin === new URL(publicUrl).origin
  if (allowed) void reply.header('access-control-allow-origin', origin)
}
