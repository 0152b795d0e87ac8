import type { Transaction } from 'kysely'
import { ThroughlineError } from '../../errors.js'
import type { Tables } from '../../store/tables.js'
import { command, cursor, id, page, text, type Command, type CommandContext } from '../command.js'

/** `answer`: what the command makes of the act's result; a repetition is answered with the same. */
const act = (context: CommandContext, answer = (result: unknown): unknown => result) => ({
  actor: context.actor,
  cause: context.cause,
  within: (trx: Transaction<Tables>, result: unknown) => context.within(trx, answer(result)),
  ...(context.ifVersion === undefined ? {} : { ifVersion: context.ifVersion }),
})

const asConversation = (conversation: unknown) => ({ conversation })

export const conversationCommands: readonly Command[] = [
  command<{ conversation: string }>({
    type: 'conversation.get',
    scope: 'conversations:read',
    summary: 'One conversation.',
    mutates: false,
    properties: { conversation: id },
    required: ['conversation'],
    async run(deps, data) {
      const found = await deps.conversations.get(data.conversation)
      if (found === null) throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
      return { conversation: found }
    },
  }),
  command<{ status?: 'open'; assignee?: string; queue?: string; contact?: string; limit: number; cursor?: string }>({
    type: 'conversation.list',
    scope: 'conversations:read',
    summary: 'Conversations, the latest first.',
    mutates: false,
    properties: {
      status: { enum: ['open', 'pending', 'snoozed', 'resolved', 'joined'] },
      assignee: { type: 'string', maxLength: 100 },
      queue: { type: 'string', maxLength: 100 },
      contact: id,
      limit: page,
      cursor,
    },
    run: (deps, data) => deps.conversations.list(data),
  }),
  command<{ conversation: string; before?: string; limit: number }>({
    type: 'conversation.history',
    scope: 'conversations:read',
    summary: 'The timeline over all channels, in order; `before` pages back.',
    mutates: false,
    properties: { conversation: id, before: cursor, limit: page },
    required: ['conversation'],
    async run(deps, data) {
      if ((await deps.conversations.get(data.conversation)) === null) {
        throw new ThroughlineError('TL_COMMAND_NOT_FOUND', 'there is no such conversation')
      }
      return deps.conversations.history(data.conversation, data)
    },
  }),
  command<{ conversation: string; status: 'open' | 'pending' | 'snoozed' | 'resolved'; untilMs?: number }>({
    type: 'conversation.setStatus',
    scope: 'conversations:write',
    summary: 'Open, pending, snoozed (until a time) or resolved.',
    mutates: true,
    properties: {
      conversation: id,
      status: { enum: ['open', 'pending', 'snoozed', 'resolved'] },
      untilMs: { type: 'integer', minimum: 0, maximum: 8.64e15 },
    },
    required: ['conversation', 'status'],
    run: async (deps, data, context) => ({
      conversation: await deps.conversations.setStatus(
        data.conversation,
        { status: data.status, ...(data.untilMs === undefined ? {} : { until: new Date(data.untilMs) }) },
        act(context, asConversation),
      ),
    }),
  }),
  command<{ conversation: string; tags: string[] }>({
    type: 'conversation.tag',
    scope: 'conversations:write',
    summary: 'Replace the tags.',
    mutates: true,
    properties: {
      conversation: id,
      tags: { type: 'array', maxItems: 50, items: { type: 'string', minLength: 1, maxLength: 60 } },
    },
    required: ['conversation', 'tags'],
    run: async (deps, data, context) => ({
      conversation: await deps.conversations.update(
        data.conversation,
        { tags: data.tags },
        act(context, asConversation),
      ),
    }),
  }),
  command<{ conversation: string; priority: 'urgent' | 'high' | 'normal' | 'low' }>({
    type: 'conversation.setPriority',
    scope: 'conversations:write',
    summary: 'Set the priority.',
    mutates: true,
    properties: { conversation: id, priority: { enum: ['urgent', 'high', 'normal', 'low'] } },
    required: ['conversation', 'priority'],
    run: async (deps, data, context) => ({
      conversation: await deps.conversations.update(
        data.conversation,
        { priority: data.priority },
        act(context, asConversation),
      ),
    }),
  }),
  command<{ conversation: string; into: string }>({
    type: 'conversation.join',
    scope: 'identity:write',
    summary: 'Join a conversation into another of the same contact.',
    mutates: true,
    properties: { conversation: id, into: id },
    required: ['conversation', 'into'],
    run: async (deps, data, context) => ({
      conversation: await deps.conversations.join(data.conversation, data.into, act(context, asConversation)),
    }),
  }),
  command<{ conversation: string; messageIds: string[] }>({
    type: 'conversation.split',
    scope: 'identity:write',
    summary: 'Move messages into a new conversation of the same contact.',
    mutates: true,
    properties: { conversation: id, messageIds: { type: 'array', minItems: 1, maxItems: 500, items: id } },
    required: ['conversation', 'messageIds'],
    run: async (deps, data, context) => ({
      conversation: await deps.conversations.split(data.conversation, data.messageIds, act(context, asConversation)),
    }),
  }),
  command<{ conversation: string; text: string }>({
    type: 'note.add',
    scope: 'conversations:write',
    summary: 'A note for colleagues; customers never see it.',
    mutates: true,
    properties: { conversation: id, text },
    required: ['conversation', 'text'],
    run: (deps, data, context) => deps.conversations.addNote(data.conversation, data.text, act(context)),
  }),
  command<{ conversation: string; on: boolean }>({
    type: 'typing',
    scope: 'conversations:write',
    summary: 'You are typing; the customer sees it where the channel can show it.',
    mutates: false,
    ephemeral: true,
    properties: { conversation: id, on: { type: 'boolean', default: true } },
    required: ['conversation'],
    async run(deps, data, context) {
      const found = await deps.conversations.get(data.conversation)
      const at = found?.touchpoints.find((one) => one.id === found.lastTouchpoint)
      if (found === null || at === undefined) return
      deps.reader.publish('agent.typing', {
        conversation: found.id,
        agent: context.principal.agent,
        watch: `${at.channel}/${at.thread}`,
        on: data.on,
      })
    },
  }),
  command<{ conversation: string }>({
    type: 'viewing',
    scope: 'conversations:read',
    summary: 'You are looking at it; colleagues see that.',
    mutates: false,
    ephemeral: true,
    properties: { conversation: id },
    required: ['conversation'],
    async run(deps, data, context) {
      deps.reader.publish('agent.viewing', { conversation: data.conversation, agent: context.principal.agent })
    },
  }),
]
