import type { FastifyInstance } from 'fastify'
import { maySee } from '../../agents/scopes.js'
import { guard, principalOf } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

export async function eventRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  app.get('/v1/events', {
    schema: {
      summary: 'The event log after a position, in order and without a gap',
      tags: ['events'],
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: {
          after: { type: 'integer', minimum: 0, default: 0 },
          limit: { type: 'integer', minimum: 1, maximum: 1000, default: 200 },
        },
      },
    },
    preHandler: guard(deps.accounts, 'events:read'),
    handler: async (request, reply) => {
      const { after, limit } = request.query as { after: number; limit: number }
      const principal = principalOf(request)
      const events = await deps.reader.read(after, limit)
      if (events === null) {
        return reply.code(410).type('application/problem+json').send({
          title: 'the log no longer goes back that far; start from the snapshot',
          status: 410,
          code: 'TL_REQUEST_NOT_FOUND',
          epoch: deps.reader.epoch,
          head: deps.reader.head(),
        })
      }
      return {
        epoch: deps.reader.epoch,
        head: deps.reader.head(),
        // Positions one may not see are skipped; `next` goes on behind them.
        next: events.at(-1)?.position ?? after,
        items: events
          .filter((event) => maySee(principal, event))
          .map(({ watch: _watch, agent: _agent, ...event }) => event),
      }
    },
  })
}
