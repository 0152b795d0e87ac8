import type { IncomingMessage } from 'node:http'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { limits } from '../../agents/frames.js'
import { ThroughlineError } from '../../errors.js'
import { createAnonymousDoor } from '../anonymous-door.js'
import type { HttpDeps } from '../deps.js'

const PROTOCOL = 'agent.v1.json'

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
  const door = createAnonymousDoor()
  const entered = new WeakMap<IncomingMessage, () => void>()
  app.get(
    '/v1/agent/ws',
    {
      websocket: true,
      schema: { hide: true },
      async preValidation(request) {
        refuse(request, deps, own)
        const leave = await door.enter(request.ip)
        if (leave === null) {
          throw new ThroughlineError('TL_AUTH_RATE_LIMITED', 'too many sockets of this address have not said hello', {
            details: { retryAfterMs: 5000 },
          })
        }
        const { socket } = request.raw
        if (socket.destroyed) return leave()
        socket.once('close', leave)
        entered.set(request.raw, leave)
      },
    },
    // Synchronous up to the handlers' attachment: an await here would lose the first frames.
    (socket, request) =>
      deps.agents.connect(socket, {
        origin: request.headers.origin ?? null,
        greeted: entered.get(request.raw) ?? noPlace,
      }),
  )
}

/** Throws where protocol or origin are not ours. */
function refuse(request: FastifyRequest, deps: HttpDeps, own: string): void {
  const offered = String(request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((one) => one.trim())
  if (!offered.includes(PROTOCOL)) {
    throw new ThroughlineError('TL_REQUEST_INVALID', `open the socket with the subprotocol ${PROTOCOL}`)
  }
  const { origin } = request.headers
  if (origin !== undefined && origin !== own && !deps.config.server.allowedOrigins.includes(origin)) {
    throw new ThroughlineError('TL_AUTH_FORBIDDEN', 'this origin may not open the socket; see server.allowedOrigins')
  }
}

const noPlace = (): void => undefined
