import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ThroughlineError } from '../../errors.js'
import { guard, principalOf } from '../authenticate.js'
import type { HttpDeps } from '../deps.js'

const id = { type: 'string', format: 'uuid' } as const
const time = { type: 'string', format: 'date-time', nullable: true } as const
const waiver = {
  type: 'object',
  nullable: true,
  description: 'Who excused the breach, and why; the clock stays what it is',
  properties: { reason: { type: 'string' }, by: { type: 'string' }, at: time },
} as const
const clock = {
  type: 'object',
  additionalProperties: true,
  properties: {
    id: { type: 'string' },
    metric: {
      type: 'string',
      description: 'first_reply, next_reply, periodic_update, requester_wait, agent_work, total_resolution',
    },
    cycle: { type: 'integer' },
    state: { type: 'string', description: 'running, paused, met, breached, met_late or cancelled' },
    policy: { type: 'string', description: 'Rule of sla.json' },
    targetS: { type: 'number', description: 'Promised seconds, in time of the calendar' },
    usedS: { type: 'number', description: 'Seconds used until the last change' },
    calendar: { type: 'string', nullable: true },
    startedAt: time,
    dueAt: time,
    warnedAt: time,
    breachedAt: time,
    endedAt: time,
    reason: { type: 'string', nullable: true },
    waiver,
  },
} as const

/** What was promised for a conversation, and the excuse of a breach. */
export async function slaRoutes(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  app.get('/v1/conversations/:id/clocks', {
    schema: {
      summary: 'What was promised and how much of it is used: SLA clocks, those that run first',
      tags: ['conversations'],
      params: { type: 'object', properties: { id }, required: ['id'] },
      response: { 200: { type: 'object', properties: { items: { type: 'array', items: clock } } } },
    },
    preHandler: guard(deps.accounts, 'conversations:read'),
    handler: async (request: FastifyRequest) => {
      const conversation = (request.params as { id: string }).id
      if ((await deps.conversations.get(conversation)) === null) {
        throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
      }
      return { items: await deps.sla.clocksOf(conversation) }
    },
  })
  app.post('/v1/conversations/:id/clocks/:clock/waiver', {
    schema: {
      summary: 'Excuse a breach, with a reason; the same again answers the waiver there is',
      tags: ['supervision'],
      params: { type: 'object', properties: { id, clock: id }, required: ['id', 'clock'] },
      headers: { type: 'object', properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 100 } } },
      body: {
        type: 'object',
        additionalProperties: false,
        required: ['reason'],
        properties: { reason: { type: 'string', minLength: 1, maxLength: 500 } },
      },
    },
    preHandler: guard(deps.accounts, 'supervise'),
    handler: async (request, reply) => {
      const { id: conversation, clock } = request.params as { id: string; clock: string }
      const key = request.headers['idempotency-key']
      const { data, replayed } = await deps.agents.run(principalOf(request), {
        type: 'sla.waive',
        id: typeof key === 'string' ? key : deps.ids(),
        data: { ...(request.body as object), conversation, clock },
        ifVersion: undefined,
      })
      return reply.headers(replayed ? { 'idempotency-replayed': 'true' } : {}).send(data)
    },
  })
}
