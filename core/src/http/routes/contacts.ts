import type { FastifyInstance } from 'fastify'
import { ThroughlineError } from '../../errors.js'
import { guard } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

const limit = { type: 'integer', minimum: 1, maximum: 100, default: 50 } as const

export async function contactRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const read = guard(deps.accounts, 'conversations:read')
  app.get('/v1/contacts', {
    schema: {
      summary: 'Contacts; `query` is the beginning of a name or identifier',
      tags: ['contacts'],
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: { query: { type: 'string', maxLength: 200 }, limit, cursor: { type: 'string', maxLength: 100 } },
      },
    },
    preHandler: read,
    handler: (request) => deps.identity.contacts(request.query as { query?: string; limit: number; cursor?: string }),
  })
  app.get('/v1/contacts/:id', {
    schema: {
      summary: 'One contact with its identifiers',
      tags: ['contacts'],
      params: { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] },
    },
    preHandler: read,
    handler: async (request) => {
      const contact = await deps.identity.contact((request.params as { id: string }).id)
      if (contact === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such contact')
      return contact
    },
  })
  app.get('/v1/suggestions', {
    schema: {
      summary: 'Contacts that may be one person, with the evidence',
      tags: ['contacts'],
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: { contact: { type: 'string', format: 'uuid' } },
      },
    },
    preHandler: read,
    handler: async (request) => ({
      items: await deps.identity.suggestions((request.query as { contact?: string }).contact),
    }),
  })
}
