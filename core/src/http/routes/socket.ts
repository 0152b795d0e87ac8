import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { limits } from '../../agents/frames.js'
import { ThroughlineError } from '../../errors.js'
import type { HttpDeps } from '../deps.js'

const PROTOCOL = 'agent.v1.json'
const ANONYMOUS_PER_ADDRESS = 20

/** The agents' socket. The upgrade checks protocol, origin and limits; who it is, the first frame says. */
export async function socketRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  await app.register(websocket, {
    options: {
      maxPayload: limits.maxFrame,
      perMessageDeflate: false,
      handleProtocols: (offered: Set<string>) => (offered.has(PROTOCOL) ? PROTOCOL : false),
    },
  })
  const own = new URL(deps.config.server.publicUrl).origin
  app.get(
    '/v1/agent/ws',
    {
      websocket: true,
      schema: { hide: true },
      preValidation: (request, _reply, done) => {
        done(refusal(request, deps, own) ?? undefined)
      },
    },
    // Synchronous up to the handlers' attachment: an await here would lose the first frames.
    (socket, request) => deps.agents.connect(socket, { origin: request.headers.origin ?? null, ip: request.ip }),
  )
}

function refusal(request: FastifyRequest, deps: HttpDeps, own: string): ThroughlineError | null {
  const offered = String(request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((one) => one.trim())
  if (!offered.includes(PROTOCOL)) {
    return new ThroughlineError('TL_REQUEST_INVALID', `open the socket with the subprotocol ${PROTOCOL}`)
  }
  const { origin } = request.headers
  if (origin !== undefined && origin !== own && !deps.config.server.allowedOrigins.includes(origin)) {
    return new ThroughlineError('TL_AUTH_FORBIDDEN', 'this origin may not open the socket; see server.allowedOrigins')
  }
  if (deps.agents.anonymous(request.ip) >= ANONYMOUS_PER_ADDRESS) {
    return new ThroughlineError('TL_AUTH_RATE_LIMITED', 'too many sockets of this address have not said hello', {
      details: { retryAfterMs: 5000 },
    })
  }
  return null
}
