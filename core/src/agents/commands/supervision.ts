import { command, name, type Command } from '../command.js'

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
]
