import { ThroughlineError } from '../../errors.js'
import { command, id, name, type Command } from '../command.js'
import { may } from '../scopes.js'

export const workCommands: readonly Command[] = [
  command<{
    state: string
    reason?: string
    channels?: Record<string, boolean>
    untilMs?: number
    finish?: boolean
    handBack?: string[] | 'all'
  }>({
    type: 'presence.set',
    scope: 'work',
    summary: 'Say whether you take work; it survives a reconnect. finish: once all is done; handBack: work goes back.',
    mutates: true,
    properties: {
      state: name,
      reason: { type: 'string', maxLength: 200 },
      channels: { type: 'object', maxProperties: 20, additionalProperties: { type: 'boolean' } },
      untilMs: { type: 'integer', minimum: 0, maximum: 8.64e15 },
      finish: { type: 'boolean' },
      handBack: { anyOf: [{ const: 'all' }, { type: 'array', maxItems: 20, uniqueItems: true, items: name }] },
    },
    required: ['state'],
    async run(deps, data, context) {
      await deps.presence.set(
        context.principal.agent,
        {
          status: data.state,
          reason: data.reason ?? null,
          ...(data.channels === undefined ? {} : { channels: data.channels }),
          until: data.untilMs === undefined ? null : new Date(data.untilMs),
          ...(data.finish === undefined ? {} : { finish: data.finish }),
          ...(data.handBack === undefined ? {} : { handBack: data.handBack }),
        },
        { actor: context.actor, cause: context.cause, within: context.within },
      )
      return {}
    },
  }),
  command<{ offerId: string }>({
    type: 'offer.accept',
    scope: 'work',
    summary: 'Take an offer. One winner: the loser gets TL_OFFER_ALREADY_TAKEN or TL_OFFER_EXPIRED.',
    mutates: true,
    properties: { offerId: id },
    required: ['offerId'],
    async run(deps, data, context) {
      const { conversation } = await deps.work.accept(
        data.offerId,
        context.principal.agent,
        context.cause,
        context.within,
      )
      return { conversation }
    },
  }),
  command<{ offerId: string; reason?: string }>({
    type: 'offer.decline',
    scope: 'work',
    summary: 'Decline an offer; you are left out for two minutes.',
    mutates: true,
    properties: { offerId: id, reason: { type: 'string', maxLength: 200 } },
    required: ['offerId'],
    async run(deps, data, context) {
      await deps.work.decline(data.offerId, context.principal.agent, data.reason ?? null, context.cause, context.within)
      return {}
    },
  }),
  command<{ offerId: string }>({
    type: 'offer.presented',
    scope: 'work',
    summary: 'The offer is on the screen.',
    mutates: true,
    properties: { offerId: id },
    required: ['offerId'],
    async run(deps, data, context) {
      await deps.work.presented(data.offerId, context.principal.agent)
      return {}
    },
  }),
  command<{ conversation: string }>({
    type: 'work.release',
    scope: 'work',
    summary: 'Give a conversation back to its queue; it keeps its place.',
    mutates: true,
    properties: { conversation: id },
    required: ['conversation'],
    async run(deps, data, context) {
      await mine(deps, data.conversation, context)
      await deps.work.release(data.conversation, { actor: context.actor, cause: context.cause, within: context.within })
      return {}
    },
  }),
  command<{ conversation: string; to: { agent?: string; queue?: string }; note?: string }>({
    type: 'work.transfer',
    scope: 'work',
    summary: 'Hand a conversation to a queue or an agent; the wait so far counts.',
    mutates: true,
    properties: {
      conversation: id,
      to: {
        type: 'object',
        additionalProperties: false,
        properties: { agent: name, queue: name },
        minProperties: 1,
        maxProperties: 1,
      },
      note: { type: 'string', maxLength: 10_000 },
    },
    required: ['conversation', 'to'],
    async run(deps, data, context) {
      await mine(deps, data.conversation, context)
      const to = data.to.agent === undefined ? { queue: data.to.queue! } : { agent: data.to.agent }
      await deps.work.transfer(data.conversation, to, data.note ?? null, {
        actor: context.actor,
        cause: context.cause,
        within: context.within,
      })
      return {}
    },
  }),
  command<{ conversation: string; disposition?: string }>({
    type: 'work.complete',
    scope: 'work',
    summary: 'Done with it: the units are free again.',
    mutates: true,
    properties: { conversation: id, disposition: { type: 'string', maxLength: 200 } },
    required: ['conversation'],
    async run(deps, data, context) {
      await mine(deps, data.conversation, context)
      await deps.work.complete(data.conversation, data.disposition ?? null, {
        actor: context.actor,
        cause: context.cause,
        within: context.within,
      })
      return {}
    },
  }),
  command<{ conversation: string }>({
    type: 'conversation.claim',
    scope: 'work',
    summary: 'Take a waiting conversation yourself.',
    mutates: true,
    properties: { conversation: id },
    required: ['conversation'],
    async run(deps, data, context) {
      await deps.work.claim(data.conversation, context.principal.agent, {
        actor: context.actor,
        cause: context.cause,
        within: context.within,
      })
      return {}
    },
  }),
  command<{ conversation: string; skills: Record<string, number> }>({
    type: 'work.require',
    scope: 'supervise',
    summary: 'Ask for skills (hard, levels 1 to 10) of whoever gets a conversation; offers to others are taken back.',
    mutates: true,
    properties: {
      conversation: id,
      skills: {
        type: 'object',
        minProperties: 1,
        maxProperties: 50,
        propertyNames: name,
        additionalProperties: { type: 'integer', minimum: 1, maximum: 10 },
      },
    },
    required: ['conversation', 'skills'],
    async run(deps, data, context) {
      await deps.work.require(data.conversation, data.skills, {
        actor: context.actor,
        cause: context.cause,
        within: context.within,
      })
      return {}
    },
  }),
  command<{ conversation: string; agent: string }>({
    type: 'conversation.assign',
    scope: 'supervise',
    summary: 'Give a conversation to an agent, also over capacity.',
    mutates: true,
    properties: { conversation: id, agent: name },
    required: ['conversation', 'agent'],
    async run(deps, data, context) {
      await deps.work.claim(data.conversation, data.agent, {
        actor: context.actor,
        cause: context.cause,
        within: context.within,
        force: true,
      })
      return {}
    },
  }),
  command<Record<string, never>>({
    type: 'queue.stats',
    scope: 'conversations:read',
    summary: 'How many wait in each queue, and how long.',
    mutates: false,
    properties: {},
    run: async (deps) => ({ queues: await deps.work.queueStats() }),
  }),
  command<Record<string, never>>({
    type: 'offer.list',
    scope: 'work',
    summary: 'Offers that wait for your answer.',
    mutates: false,
    properties: {},
    run: async (deps, _data, context) => ({ offers: await deps.work.offersOf(context.principal.agent) }),
  }),
  command<Record<string, never>>({
    type: 'agent.list',
    scope: 'conversations:read',
    summary: 'Names and teams of the agents.',
    mutates: false,
    properties: {},
    run: async (deps) => ({
      agents: (await deps.accounts.list())
        .filter((agent) => agent.disabledAt === null)
        .map(({ id: agentId, name: shown, role, teams }) => ({ id: agentId, name: shown, role, teams })),
    }),
  }),
]

/** Somebody else's work is theirs; whoever supervises may move it. */
async function mine(
  deps: Parameters<Command['run']>[0],
  conversation: string,
  context: Parameters<Command['run']>[2],
): Promise<void> {
  if (may(context.principal, 'supervise')) return
  const found = await deps.conversations.get(conversation)
  if (found?.assignee === context.principal.agent) return
  throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'this conversation is not among your work')
}
