import type { ConfigSchema, Context, InferConfig } from '@throughline/plugin-sdk'

export const config = {
  type: 'object',
  required: ['botToken'],
  properties: {
    botToken: {
      type: 'string',
      secret: true,
      pattern: '^[0-9]+:[A-Za-z0-9_-]{6,}$',
      description: 'Token from @BotFather',
    },
    mode: {
      type: 'string',
      enum: ['webhook', 'polling'],
      default: 'webhook',
      description:
        'webhook: Telegram calls the public address; polling: the engine asks Telegram, no public address needed',
    },
    secretToken: {
      type: 'string',
      secret: true,
      pattern: '^[A-Za-z0-9_-]{1,256}$',
      description:
        'Any text of letters, digits, _ and -; Telegram repeats it with every update. Required with mode webhook',
    },
    registerWebhook: {
      type: 'boolean',
      default: false,
      description: 'Tell Telegram the webhook address at every start (mode webhook)',
    },
    apiBase: {
      type: 'string',
      pattern: '^https?://[^\\s]+[^/\\s]$',
      default: 'https://api.telegram.org',
      description: 'Bot API, for a server of your own',
    },
  },
} as const satisfies ConfigSchema

export type Config = InferConfig<typeof config>
export type TelegramContext = Context<'channel', Config>

/** Reactions and membership only come when asked for by name. */
export const allowedUpdates = Object.freeze([
  ...['message', 'edited_message', 'channel_post', 'edited_channel_post', 'callback_query', 'my_chat_member'],
  ...[
    'message_reaction',
    'business_connection',
    'business_message',
    'edited_business_message',
    'deleted_business_messages',
  ],
])
