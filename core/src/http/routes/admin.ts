import type { FastifyInstance } from 'fastify'
import { ThroughlineError } from '../../errors.js'
import { guard } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

export async function adminRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const admin = guard(deps.accounts, 'admin')
  app.get('/v1/admin/plugins', {
    schema: { summary: 'Every plugin instance, its state, and what to do about it', tags: ['admin'] },
    preHandler: admin,
    handler: () => Promise.resolve({ items: deps.plugins.statuses() }),
  })
  app.get('/v1/channels', {
    schema: { summary: 'Channels and what they can carry', tags: ['channels'] },
    preHandler: guard(deps.accounts, 'conversations:read'),
    handler: () =>
      Promise.resolve({
        items: deps.plugins.channels().map((channel) => {
          const { state, plugin, version } = channel.status()
          return { id: channel.id, kind: channel.kind, plugin, version, state, capabilities: channel.capabilities('') }
        }),
      }),
  })
  app.get('/v1/admin/inbox', {
    schema: {
      summary: 'Parked events',
      tags: ['admin'],
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: {
          channel: { type: 'string', maxLength: 60 },
          limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
          before: { type: 'integer', minimum: 1 },
        },
      },
    },
    preHandler: admin,
    handler: async (request) => ({
      items: await deps.inbox.list(request.query as { channel?: string; limit: number; before?: number }),
      counts: await deps.inbox.counts(),
    }),
  })
  app.get('/v1/admin/inbox/:id', {
    schema: {
      summary: 'One parked event with its raw body (base64)',
      tags: ['admin'],
      params: { type: 'object', properties: { id: { type: 'integer' } } },
    },
    preHandler: admin,
    handler: async (request) => {
      const row = await deps.inbox.show((request.params as { id: number }).id)
      if (row === null) throw new ThroughlineError('TL_REQUEST_NOT_FOUND', 'there is no parked event of this number')
      return { ...row, raw: row.raw?.toString('base64') ?? null }
    },
  })
  app.post('/v1/admin/inbox/replay', {
    schema: {
      summary: 'Parse parked events again and apply them',
      tags: ['admin'],
      body: {
        type: 'object',
        additionalProperties: false,
        required: ['ids'],
        properties: {
          ids: {
            anyOf: [{ const: 'all' }, { type: 'array', minItems: 1, maxItems: 1000, items: { type: 'integer' } }],
          },
        },
      },
    },
    preHandler: admin,
    handler: (request) => deps.inbox.replay((request.body as { ids: 'all' | number[] }).ids),
  })
}
