import type { FastifyInstance } from 'fastify'
import { guard, principalOf } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

/** What rule files this node runs, and what is wrong with those on disk. */
export async function ruleRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  app.get('/v1/admin/rules', {
    schema: {
      summary:
        'Rule files on this node: the version in force, where it comes from, what is wrong with the file on disk',
      tags: ['admin'],
    },
    preHandler: guard(deps.accounts, 'admin'),
    handler: () => Promise.resolve({ items: deps.rules.status() }),
  })
  app.post('/v1/work/replan', {
    schema: {
      summary: 'Waiting items and the plan the rules in force would give them; with `apply` they get it',
      tags: ['work'],
      body: {
        type: 'object',
        additionalProperties: false,
        properties: { queue: { type: 'string', maxLength: 100 }, apply: { type: 'boolean', default: false } },
      },
    },
    preHandler: guard(deps.accounts, 'supervise'),
    handler: (request) =>
      deps.replan.replan(request.body as { queue?: string; apply: boolean }, {
        actor: { kind: 'agent', id: principalOf(request).agent },
      }),
  })
}
