import type { Part } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../../errors.js'
import type { OutgoingMessage } from '../../outbound/contract.js'
import { command, id, text, type Command, type CommandContext, type CommandDeps } from '../command.js'

interface SendData {
  readonly conversation: string
  readonly channel?: string
  readonly body?: string
  readonly parts?: readonly Part[]
  readonly template?: { readonly name: string; readonly values?: Readonly<Record<string, unknown>> }
  readonly replyTo?: string
}

const properties = {
  conversation: id,
  channel: { type: 'string', minLength: 1, maxLength: 60 },
  body: text,
  parts: {
    type: 'array',
    minItems: 1,
    maxItems: 20,
    items: { type: 'object', required: ['type'], properties: { type: { type: 'string', maxLength: 40 } } },
  },
  template: {
    type: 'object',
    additionalProperties: false,
    required: ['name'],
    properties: {
      name: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,60}$' },
      values: { type: 'object', maxProperties: 50 },
    },
  },
  replyTo: id,
} as const

function outgoing(data: SendData, context: CommandContext): OutgoingMessage {
  const said = [data.body, data.parts, data.template].filter((one) => one !== undefined)
  if (said.length !== 1) {
    throw new ThroughlineError('TL_COMMAND_INVALID', 'give exactly one of body, parts and template', {
      details: { path: '/body' },
    })
  }
  return {
    conversation: data.conversation,
    ...(data.channel === undefined ? {} : { channel: data.channel }),
    parts: data.parts ?? (data.body === undefined ? [] : [{ type: 'text', text: data.body, format: 'markdown' }]),
    ...(data.template === undefined
      ? {}
      : { template: { name: data.template.name, values: data.template.values ?? {} } }),
    ...(data.replyTo === undefined ? {} : { replyTo: data.replyTo }),
    author: context.actor,
    cause: context.cause,
  }
}

/** Message, sends, events and the command's result are one transaction: a retried command never says it twice. */
async function send(deps: CommandDeps, data: SendData, context: CommandContext): Promise<unknown> {
  const message = outgoing(data, context)
  const queued = await deps.transact(async (trx) => {
    const result = await deps.outbound.queue(message, trx)
    await context.within(trx, result)
    return result
  })
  deps.outbound.wake()
  return queued
}

export const messageCommands: readonly Command[] = [
  command<SendData>({
    type: 'message.send',
    scope: 'conversations:write',
    summary:
      'Answer the customer, on the channel they wrote on last unless you name one. The result means: durably queued.',
    mutates: true,
    properties,
    required: ['conversation'],
    run: send,
  }),
  command<SendData>({
    type: 'message.preview',
    scope: 'conversations:read',
    summary: 'What would be sent, what the channel cannot show, and whether its reply window is open.',
    mutates: false,
    properties,
    required: ['conversation'],
    run: (deps, data, context) => deps.outbound.preview(outgoing(data, context)),
  }),
  command<{ messageId: string }>({
    type: 'message.retry',
    scope: 'conversations:write',
    summary: 'Try a failed message again.',
    mutates: true,
    properties: { messageId: id },
    required: ['messageId'],
    async run(deps, data, context) {
      await deps.outbound.retry(data.messageId, context.actor, context.cause, context.within)
      return {}
    },
  }),
  command<{ messageId: string }>({
    type: 'message.cancel',
    scope: 'conversations:write',
    summary: 'Take back what has not left yet.',
    mutates: true,
    properties: { messageId: id },
    required: ['messageId'],
    async run(deps, data, context) {
      await deps.outbound.cancel(data.messageId, context.actor, context.cause, context.within)
      return {}
    },
  }),
]
