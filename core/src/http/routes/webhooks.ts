import type { FastifyInstance } from 'fastify'
import { guard, principalOf } from '../authenticate.js'
import type { Which } from '../../events/webhooks/contract.js'
import type { HttpDeps } from '../deps.js'

const params = { type: 'object', properties: { id: { type: 'string', maxLength: 60 } }, required: ['id'] } as const
const position = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } as const

export async function webhookRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const preHandler = guard(deps.accounts, 'admin')
  app.get('/v1/admin/webhooks', {
    schema: { summary: 'Outgoing webhooks and how they are doing', tags: ['admin'] },
    preHandler,
    handler: async () => ({ items: await deps.webhooks.list() }),
  })
  app.get('/v1/admin/webhooks/:id/deliveries', {
    schema: {
      summary: 'Deliveries of one webhook, newest first; without bodies',
      tags: ['admin'],
      params,
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: { before: position, limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 } },
      },
    },
    preHandler,
    handler: async (request) => {
      const { id } = request.params as { id: string }
      return { items: await deps.webhooks.deliveries(id, request.query as { before?: number; limit: number }) }
    },
  })
  app.post('/v1/admin/webhooks/:id/replay', {
    schema: {
      summary: 'Send one event again, or all since a position; a disabled webhook is enabled by it',
      tags: ['admin'],
      params,
      body: {
        type: 'object',
        additionalProperties: false,
        minProperties: 1,
        maxProperties: 1,
        properties: { position, since: position },
      },
    },
    preHandler,
    handler: async (request) => {
      const { id } = request.params as { id: string }
      return deps.webhooks.replay(id, request.body as Which, { kind: 'agent', id: principalOf(request).agent })
    },
  })
}
