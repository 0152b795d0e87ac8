import { ThroughlineError } from '../../errors.js'
import { command, id, type Command } from '../command.js'

export const identityCommands: readonly Command[] = [
  command<{ contact: string }>({
    type: 'contact.get',
    scope: 'conversations:read',
    summary: 'One contact with its identifiers.',
    mutates: false,
    properties: { contact: id },
    required: ['contact'],
    async run(deps, data) {
      const contact = await deps.identity.contact(data.contact)
      if (contact === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such contact')
      return { contact }
    },
  }),
  command<{ contact?: string }>({
    type: 'identity.suggestions',
    scope: 'conversations:read',
    summary: 'Contacts that may be one person, with the evidence.',
    mutates: false,
    properties: { contact: id },
    run: async (deps, data) => ({ suggestions: await deps.identity.suggestions(data.contact) }),
  }),
  command<{ suggestionId: string }>({
    type: 'identity.confirm',
    scope: 'identity:write',
    summary: 'They are one person: join them. It can be undone.',
    mutates: true,
    properties: { suggestionId: id },
    required: ['suggestionId'],
    run: (deps, data, context) => deps.identity.confirm(data.suggestionId, context.actor, context.within),
  }),
  command<{ suggestionId: string }>({
    type: 'identity.reject',
    scope: 'identity:write',
    summary: 'They are two people.',
    mutates: true,
    properties: { suggestionId: id },
    required: ['suggestionId'],
    async run(deps, data, context) {
      await deps.identity.reject(data.suggestionId, context.actor, context.within)
      return {}
    },
  }),
  command<{ from: string; into: string; reason: string }>({
    type: 'identity.join',
    scope: 'identity:write',
    summary: 'Join two contacts on your word. It can be undone.',
    mutates: true,
    properties: { from: id, into: id, reason: { type: 'string', minLength: 1, maxLength: 500 } },
    required: ['from', 'into', 'reason'],
    run: (deps, data, context) => deps.identity.join(data.from, data.into, context.actor, data.reason, context.within),
  }),
  command<{ joinId: string }>({
    type: 'identity.undo',
    scope: 'identity:write',
    summary: 'Undo a join: both contacts are as they were.',
    mutates: true,
    properties: { joinId: id },
    required: ['joinId'],
    async run(deps, data, context) {
      await deps.identity.undo(data.joinId, context.actor, context.within)
      return {}
    },
  }),
  command<{ contact: string; kind: string; value: string; verified: boolean }>({
    type: 'identity.link',
    scope: 'identity:write',
    summary: 'Add an identifier to a contact.',
    mutates: true,
    properties: {
      contact: id,
      kind: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,40}$' },
      value: { type: 'string', minLength: 1, maxLength: 512 },
      verified: { type: 'boolean', default: false },
    },
    required: ['contact', 'kind', 'value'],
    async run(deps, data, context) {
      const assurance = data.verified ? 'verified' : 'claimed'
      await deps.identity.link(
        data.contact,
        { kind: data.kind, value: data.value, assurance },
        context.actor,
        context.within,
      )
      return {}
    },
  }),
  command<{ contact: string; identifierId: string }>({
    type: 'identity.unlink',
    scope: 'identity:write',
    summary: 'Take an identifier away from a contact.',
    mutates: true,
    properties: { contact: id, identifierId: id },
    required: ['contact', 'identifierId'],
    async run(deps, data, context) {
      await deps.identity.unlink(data.contact, data.identifierId, context.actor, context.within)
      return {}
    },
  }),
]
