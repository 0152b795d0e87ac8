import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ConversationStatus } from '../../conversations/contract.js'
import { ThroughlineError } from '../../errors.js'
import { guard, principalOf } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

const limit = { type: 'integer', minimum: 1, maximum: 100, default: 50 } as const
const cursor = { type: 'string', maxLength: 300 } as const
const idParams = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] } as const

/** The same reads as over the socket, and the commands an integrator needs. */
export async function conversationRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const { accounts, conversations } = deps
  const read = guard(accounts, 'conversations:read')
  const find = async (id: string) => {
    const found = await conversations.get(id)
    if (found === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
    return found
  }
  const idOf = (request: FastifyRequest) => (request.params as { id: string }).id

  app.get('/v1/conversations', {
    schema: {
      summary: 'Conversations, the latest first',
      tags: ['conversations'],
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: {
          status: { enum: ['open', 'pending', 'snoozed', 'resolved', 'joined'] },
          assignee: { type: 'string', maxLength: 100 },
          queue: { type: 'string', maxLength: 100 },
          contact: { type: 'string', format: 'uuid' },
          limit,
          cursor,
        },
      },
    },
    preHandler: read,
    handler: (request) =>
      conversations.list(
        request.query as {
          status?: ConversationStatus
          assignee?: string
          queue?: string
          contact?: string
          limit: number
          cursor?: string
        },
      ),
  })
  app.get('/v1/conversations/:id', {
    schema: { summary: 'One conversation with its touchpoints', tags: ['conversations'], params: idParams },
    preHandler: read,
    handler: (request) => find(idOf(request)),
  })
  app.get('/v1/conversations/:id/messages', {
    schema: {
      summary: 'The timeline over all channels, in order; `before` pages back',
      tags: ['conversations'],
      params: idParams,
      querystring: { type: 'object', additionalProperties: false, properties: { before: cursor, limit } },
    },
    preHandler: read,
    handler: async (request) => {
      await find(idOf(request))
      return conversations.history(idOf(request), request.query as { before?: string; limit: number })
    },
  })
  app.get('/v1/conversations/:id/decisions', {
    schema: {
      summary: 'Why it went where it went: facts, rule, version, plan',
      tags: ['conversations'],
      params: idParams,
    },
    preHandler: read,
    handler: async (request) => {
      await find(idOf(request))
      return { items: await deps.work.decisions(idOf(request)) }
    },
  })
  app.post('/v1/conversations/:id/messages', {
    schema: {
      summary: 'Answer the customer; send an Idempotency-Key to be safe against retries',
      tags: ['conversations'],
      params: idParams,
      headers: { type: 'object', properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 100 } } },
      body: {
        type: 'object',
        additionalProperties: false,
        properties: {
          body: { type: 'string', minLength: 1, maxLength: 65_536 },
          parts: {
            type: 'array',
            minItems: 1,
            maxItems: 20,
            items: {
              type: 'object',
              required: ['type'],
              properties: { type: { type: 'string' } },
              additionalProperties: true,
            },
          },
          template: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' }, values: { type: 'object', additionalProperties: true } },
          },
          channel: { type: 'string', maxLength: 60 },
          replyTo: { type: 'string', format: 'uuid' },
        },
      },
    },
    preHandler: guard(accounts, 'conversations:write'),
    handler: async (request, reply) => {
      const key = request.headers['idempotency-key']
      const { data, replayed } = await deps.agents.run(principalOf(request), {
        type: 'message.send',
        id: typeof key === 'string' ? key : deps.ids(),
        data: { conversation: idOf(request), ...(request.body as object) },
        ifVersion: undefined,
      })
      return reply
        .code(202)
        .headers(replayed ? { 'idempotency-replayed': 'true' } : {})
        .send(data)
    },
  })
}
