import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import addFormats from 'ajv-formats'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { ThroughlineError } from '../errors.js'
import type { HttpDeps } from './deps.js'
import { problemHandler } from './problem.js'
import { adminRoutes } from './routes/admin.js'
import { channelRoutes } from './routes/channels.js'
import { contactRoutes } from './routes/contacts.js'
import { conversationRoutes } from './routes/conversations.js'
import { eventRoutes } from './routes/events.js'
import { fileRoutes } from './routes/files.js'
import { healthRoutes } from './routes/health.js'
import { ruleRoutes } from './routes/rules.js'
import { sessionRoutes } from './routes/sessions.js'
import { slaRoutes } from './routes/sla.js'
import { socketRoutes } from './routes/socket.js'
import { supervisionRoutes } from './routes/supervision.js'
import { webhookRoutes } from './routes/webhooks.js'
import { surfaceRoutes } from './routes/surfaces.js'

export interface HttpServer {
  /** Accepts from now on; the URL with the port that was really taken. */
  listen(): Promise<{ readonly url: string }>
  /** Stops accepting, ends streams and sockets, waits for requests under way; at most 10 s. */
  close(): Promise<void>
  /** For tests: the routes as they are. */
  readonly app: FastifyInstance
}

const CLOSE_MS = 10_000

export async function createHttp(deps: HttpDeps): Promise<HttpServer> {
  const { config } = deps
  const closing = new AbortController()
  const onProblem = problemHandler(deps)
  const app = Fastify({
    logger: false,
    trustProxy: config.server.trustProxy.length > 0 ? [...config.server.trustProxy] : false,
    bodyLimit: 1_048_576,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: false },
    return503OnClosing: true,
    frameworkErrors: onProblem,
    ajv: {
      customOptions: { removeAdditional: false, coerceTypes: 'array', useDefaults: true, allErrors: false },
      plugins: [addFormats.default as never],
    },
  })
  app.setErrorHandler(onProblem)
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    strictTransportSecurity: config.server.publicUrl.startsWith('https:'),
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Throughline',
        version: '1',
        description: 'Reads and acts of agents and integrators. Live events: the socket agent.v1.',
      },
      servers: [{ url: config.server.publicUrl }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
  })
  await app.register((scope) => channelRoutes(scope, deps, closing.signal))
  await app.register((scope) => sessionRoutes(scope, deps))
  await app.register((scope) => conversationRoutes(scope, deps))
  await app.register((scope) => slaRoutes(scope, deps))
  await app.register((scope) => contactRoutes(scope, deps))
  await app.register((scope) => eventRoutes(scope, deps))
  await app.register((scope) => adminRoutes(scope, deps))
  await app.register((scope) => ruleRoutes(scope, deps))
  await app.register((scope) => webhookRoutes(scope, deps))
  await app.register((scope) => supervisionRoutes(scope, deps))
  await app.register((scope) => healthRoutes(scope, deps))
  await app.register((scope) => fileRoutes(scope, deps))
  await app.register((scope) => socketRoutes(scope, deps))
  // On the root itself: whatever no route takes is a page, or is not found.
  await surfaceRoutes(app, deps)
  app.get('/v1/openapi.json', { schema: { hide: true }, handler: () => Promise.resolve(app.swagger()) })

  return {
    app,
    async listen() {
      await app.listen({ host: config.server.host, port: config.server.port }).catch((cause: unknown) => {
        throw unusable(config.server, cause)
      })
      const { port } = app.server.address() as AddressInfo
      const host =
        config.server.host === '127.0.0.1' || config.server.host === '0.0.0.0' || config.server.host === '::'
          ? 'localhost'
          : config.server.host
      return { url: `http://${host}:${port}` }
    },
    async close() {
      closing.abort()
      const late = new Promise<void>((resolve) => {
        setTimeout(() => {
          app.server.closeAllConnections()
          resolve()
        }, CLOSE_MS).unref()
      })
      app.server.closeIdleConnections()
      // Before the server: its own way of closing sockets would not tell the clients to resume elsewhere.
      await Promise.race([deps.agents.close().then(() => app.close()), late])
    },
  }
}

function unusable({ host, port }: { readonly host: string; readonly port: number }, cause: unknown): Error {
  const { code } = cause as { code?: unknown }
  const why = code === 'EADDRINUSE' ? 'another program uses it, perhaps a second engine' : String(code)
  return new ThroughlineError(
    'TL_NODE_ADDRESS_UNUSABLE',
    `the engine cannot listen on ${host}:${port}: ${why}. Stop that program, or set server.port or PORT to another one`,
    { cause },
  )
}
