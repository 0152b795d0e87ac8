import { command, id, name, text, type Command } from '../command.js'

const reason = { type: 'string', minLength: 1, maxLength: 200 } as const

/** What leads do to agents, queues and conversations that are not theirs. Each of them leaves an event with its author. */
export const supervisionCommands: readonly Command[] = [
  command<{ agent: string; state: string; reason?: string; handBack?: string[] | 'all' }>({
    type: 'agent.setPresence',
    scope: 'supervise',
    summary: "Set an agent's status; the source is kept.",
    mutates: true,
    properties: {
      agent: name,
      state: name,
      reason,
      handBack: { anyOf: [{ const: 'all' }, { type: 'array', maxItems: 20, uniqueItems: true, items: name }] },
    },
    required: ['agent', 'state'],
    async run(deps, { agent, state, reason: why, handBack }, { actor, cause, within }) {
      const to = { status: state, reason: why ?? null, ...(handBack === undefined ? {} : { handBack }) }
      await deps.presence.set(agent, to, { actor, cause, within })
      return {}
    },
  }),
  command<{ agent: string; reason?: string }>({
    type: 'presence.forceOffline',
    scope: 'supervise',
    summary: 'Set an agent offline; what they have accepted stays with them.',
    mutates: true,
    properties: { agent: name, reason },
    required: ['agent'],
    async run(deps, { agent, reason: why }, { actor, cause, within }) {
      await deps.presence.set(agent, { status: 'offline', reason: why ?? null }, { actor, cause, within })
      return {}
    },
  }),
  command<{ agent: string; reason: string }>({
    type: 'agent.freeze',
    scope: 'supervise',
    summary: 'Keep new work away from an agent, whatever their status; open offers go to others.',
    mutates: true,
    properties: { agent: name, reason },
    required: ['agent', 'reason'],
    async run(deps, { agent, reason: why }, { actor, cause, within }) {
      await deps.presence.freeze(agent, true, why, { actor, cause, within })
      return {}
    },
  }),
  command<{ agent: string }>({
    type: 'agent.thaw',
    scope: 'supervise',
    summary: 'Let work come to a frozen agent again.',
    mutates: true,
    properties: { agent: name },
    required: ['agent'],
    async run(deps, { agent }, { actor, cause, within }) {
      await deps.presence.freeze(agent, false, null, { actor, cause, within })
      return {}
    },
  }),
  command<{ conversation: string; headStartS: number; reason: string }>({
    type: 'work.reorder',
    scope: 'supervise',
    summary:
      'Bring a waiting conversation forward by some seconds, or back with a negative number; the reason is kept.',
    mutates: true,
    properties: { conversation: id, headStartS: { type: 'integer', minimum: -86_400, maximum: 86_400 }, reason },
    required: ['conversation', 'headStartS', 'reason'],
    async run(deps, { conversation, headStartS, reason: why }, { actor, cause, within }) {
      await deps.supervision.reorder(conversation, headStartS, why, { actor, cause, within })
      return {}
    },
  }),
  command<{ queue: string; to?: string; reason: string }>({
    type: 'queue.drain',
    scope: 'supervise',
    summary: 'Send what waits in a queue, and what comes to it, to another one; offers and assignments stay.',
    mutates: true,
    properties: { queue: name, to: name, reason },
    required: ['queue', 'reason'],
    run: (deps, { queue, to, reason: why }, { actor, cause, within }) =>
      deps.supervision.drain(queue, to ?? null, why, { actor, cause, within }),
  }),
  command<{ queue: string }>({
    type: 'queue.resume',
    scope: 'supervise',
    summary: 'Let a drained queue keep its own work again.',
    mutates: true,
    properties: { queue: name },
    required: ['queue'],
    async run(deps, { queue }, { actor, cause, within }) {
      await deps.supervision.resume(queue, { actor, cause, within })
      return {}
    },
  }),
  command<{ conversation: string; on: boolean }>({
    type: 'conversation.monitor',
    scope: 'supervise',
    summary: 'Follow a conversation; supervisors see that you do.',
    mutates: true,
    properties: { conversation: id, on: { type: 'boolean', default: true } },
    required: ['conversation'],
    async run(deps, { conversation, on }, { actor, cause, within }) {
      await deps.supervision.watch(conversation, 'monitor', on, { actor, cause, within })
      return { watchers: await deps.supervision.watchers(conversation) }
    },
  }),
  command<{ conversation: string; on: boolean }>({
    type: 'conversation.barge',
    scope: 'supervise',
    summary: 'Join a conversation beside its agent; all agents see that you did. Answer with message.send.',
    mutates: true,
    properties: { conversation: id, on: { type: 'boolean', default: true } },
    required: ['conversation'],
    async run(deps, { conversation, on }, { actor, cause, within }) {
      await deps.supervision.watch(conversation, 'barge', on, { actor, cause, within })
      return { watchers: await deps.supervision.watchers(conversation) }
    },
  }),
  command<{ conversation: string; text: string }>({
    type: 'conversation.whisper',
    scope: 'supervise',
    summary: 'Say something to the agent who has the conversation; the customer never sees it.',
    mutates: true,
    properties: { conversation: id, text },
    required: ['conversation', 'text'],
    run: (deps, data, { actor, cause, within }) =>
      deps.conversations.addNote(data.conversation, data.text, { actor, cause, within }, { whisper: true }),
  }),
  command<{ clock: string; conversation?: string; reason: string }>({
    type: 'sla.waive',
    scope: 'supervise',
    summary:
      'Excuse a breach, with a reason that is kept; the clock stays what it is. `conversation`: refused when the clock is of another one.',
    mutates: true,
    properties: { clock: id, conversation: id, reason: { type: 'string', minLength: 1, maxLength: 500 } },
    required: ['clock', 'reason'],
    run: async (deps, { clock, ...waiver }, { actor, cause, within }) => ({
      waiver: await deps.sla.waive(clock, waiver, { actor, cause, within }),
    }),
  }),
  command<{ agent: string; fromMs: number; toMs: number }>({
    type: 'agent.adherence',
    scope: 'supervise',
    summary: 'How much of their scheduled time an agent took work.',
    mutates: false,
    properties: {
      agent: name,
      fromMs: { type: 'integer', minimum: 0, maximum: 8.64e15 },
      toMs: { type: 'integer', minimum: 0, maximum: 8.64e15 },
    },
    required: ['agent', 'fromMs', 'toMs'],
    run: (deps, { agent, fromMs, toMs }) => deps.workforce.adherence(agent, new Date(fromMs), new Date(toMs)),
  }),
]
