import type { FastifyInstance } from 'fastify'
import { guard, principalOf } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

const signIn = {
  type: 'object',
  additionalProperties: false,
  properties: {
    email: { type: 'string', maxLength: 320 },
    password: { type: 'string', maxLength: 1000 },
    code: { type: 'string', maxLength: 40 },
  },
  oneOf: [{ required: ['email', 'password'] }, { required: ['code'] }],
} as const

/** Signing in and out, and tickets for the socket. */
export async function sessionRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const { accounts } = deps
  app.post('/v1/sessions', {
    schema: {
      summary: 'Sign in with e-mail and password, or with a one-time code',
      body: signIn,
      tags: ['sessions'],
      security: [],
    },
    handler: async (request, reply) => {
      const body = request.body as { email: string; password: string } | { code: string }
      const credentials = 'code' in body ? { code: body.code } : { email: body.email, password: body.password }
      const { token, expiresAt, agent } = await accounts.signIn(credentials, request.ip)
      return reply.code(201).header('cache-control', 'no-store').send({ token, expiresAt, agent })
    },
  })
  app.delete('/v1/sessions/current', {
    schema: { summary: 'Sign out: ends this session and its sockets', tags: ['sessions'] },
    preHandler: guard(accounts, null),
    handler: async (request, reply) => {
      await accounts.signOut(principalOf(request))
      return reply.code(204).send()
    },
  })
  app.post('/v1/agent/ws-tickets', {
    schema: { summary: 'A single-use ticket for the socket, good for 30 s', tags: ['agent'] },
    preHandler: guard(accounts, 'conversations:read'),
    handler: async (request, reply) => {
      const ticket = await accounts.createTicket(principalOf(request), request.headers.origin ?? null)
      return reply.code(201).header('cache-control', 'no-store').send(ticket)
    },
  })
  app.get('/v1/agent/snapshot', {
    schema: { summary: 'Where things stand, with the position to continue from', tags: ['agent'] },
    preHandler: guard(accounts, 'conversations:read'),
    handler: async (request) => {
      const principal = principalOf(request)
      // Read before the data: what happens in between is seen twice rather than never.
      const position = deps.reader.head()
      const [presence, offers, conversations, queues] = await Promise.all([
        deps.presence.of(principal.agent),
        deps.work.offersOf(principal.agent),
        deps.conversations.list({ assignee: principal.agent, limit: 100 }),
        deps.work.queueStats(),
      ])
      const mine = conversations.items.filter((one) => one.status !== 'resolved')
      const clocks = await deps.sla.openClocks(mine.map((one) => one.id))
      return {
        epoch: deps.reader.epoch,
        position,
        agent: { id: principal.agent, name: principal.name, role: principal.role },
        presence,
        offers,
        conversations: mine.map((one) => ({ ...one, clocks: clocks.get(one.id) ?? [] })),
        queues,
      }
    },
  })
}
