import type { FastifyInstance } from 'fastify'
import { guard } from '../authenticate.js'
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
}
