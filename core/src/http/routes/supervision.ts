import type { FastifyInstance, FastifyRequest } from 'fastify'
import { guard, principalOf } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

const name = { type: 'string', minLength: 1, maxLength: 100 } as const

/** Path, command, the field that the id in the path fills. Bodies are the commands' own: runCommand checks them. */
const acts = [
  ['/v1/agents/:id/presence', 'agent.setPresence', 'agent', 'Set the status of an agent'],
  ['/v1/agents/:id/freeze', 'agent.freeze', 'agent', 'Keep new work away from an agent'],
  ['/v1/agents/:id/thaw', 'agent.thaw', 'agent', 'Let work come to a frozen agent again'],
  ['/v1/queues/:id/drain', 'queue.drain', 'queue', 'Send what waits in a queue to another one'],
  ['/v1/queues/:id/resume', 'queue.resume', 'queue', 'Let a drained queue keep its own work again'],
  ['/v1/conversations/:id/assign', 'conversation.assign', 'conversation', 'Give a conversation to an agent'],
  ['/v1/conversations/:id/reorder', 'work.reorder', 'conversation', 'Bring a waiting conversation forward or back'],
  ['/v1/conversations/:id/monitor', 'conversation.monitor', 'conversation', 'Follow a conversation'],
  ['/v1/conversations/:id/barge', 'conversation.barge', 'conversation', 'Join a conversation beside its agent'],
  ['/v1/conversations/:id/whisper', 'conversation.whisper', 'conversation', 'Say something to its agent alone'],
] as const

/** What leads do, over REST: the commands of agent.v1 under addresses of their own. */
export async function supervisionRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const supervise = guard(deps.accounts, 'supervise')
  const params = { type: 'object', properties: { id: name }, required: ['id'] } as const
  const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id

  app.get('/v1/queues', {
    schema: { summary: 'Queues: who waits, who is there, how long a newcomer waits', tags: ['queues'] },
    preHandler: guard(deps.accounts, 'conversations:read'),
    handler: async () => ({ items: await deps.work.queueStats() }),
  })
  app.get('/v1/agents/:id/adherence', {
    schema: {
      summary: 'How much of their scheduled time an agent took work',
      tags: ['agents'],
      params,
      querystring: {
        type: 'object',
        additionalProperties: false,
        required: ['from', 'to'],
        properties: { from: { type: 'string', format: 'date-time' }, to: { type: 'string', format: 'date-time' } },
      },
    },
    preHandler: supervise,
    handler: async (request) => {
      const { from, to } = request.query as { from: string; to: string }
      const data = { agent: idOf(request), fromMs: Date.parse(from), toMs: Date.parse(to) }
      const call = { type: 'agent.adherence', id: undefined, data, ifVersion: undefined }
      return (await deps.agents.run(principalOf(request), call)).data
    },
  })
  for (const [path, type, field, summary] of acts) {
    app.post(path, {
      schema: {
        summary,
        tags: ['supervision'],
        params,
        headers: { type: 'object', properties: { 'idempotency-key': name } },
        body: { type: ['object', 'null'], additionalProperties: true },
      },
      preHandler: supervise,
      handler: async (request, reply) => {
        const key = request.headers['idempotency-key']
        const { data, replayed } = await deps.agents.run(principalOf(request), {
          type,
          id: typeof key === 'string' ? key : deps.ids(),
          data: { ...(request.body as object | null), [field]: idOf(request) },
          ifVersion: undefined,
        })
        return reply.headers(replayed ? { 'idempotency-replayed': 'true' } : {}).send(data)
      },
    })
  }
}
