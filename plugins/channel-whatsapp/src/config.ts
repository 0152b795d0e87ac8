import type { ConfigSchema, Context, InferConfig } from '@throughline/plugin-sdk'

export const config = {
  type: 'object',
  required: ['phoneNumberId', 'accessToken', 'appSecret', 'verifyToken'],
  properties: {
    phoneNumberId: {
      type: 'string',
      pattern: '^[0-9]{1,32}$',
      description: 'Id of the phone number (not the number itself)',
    },
    accessToken: {
      type: 'string',
      secret: true,
      minLength: 1,
      description: 'Access token of a system user, without expiry',
    },
    appSecret: {
      type: 'string',
      secret: true,
      minLength: 1,
      description: 'Secret of the Meta app: signs every webhook',
    },
    previousAppSecret: {
      type: 'string',
      secret: true,
      minLength: 1,
      description: 'The secret before the last reset, accepted while Meta still signs with it',
    },
    verifyToken: {
      type: 'string',
      secret: true,
      minLength: 1,
      description: 'Any text of yours; Meta repeats it in the handshake',
    },
    apiBase: {
      type: 'string',
      pattern: '^https?://[^\\s]+[^/\\s]$',
      default: 'https://graph.facebook.com/v25.0',
      description: 'Graph API with its version',
    },
    listButton: {
      type: 'string',
      minLength: 1,
      maxLength: 20,
      default: 'Choose',
      description: 'Button that opens a list of more than three choices',
    },
  },
} as const satisfies ConfigSchema

export type Config = InferConfig<typeof config>
export type WhatsAppContext = Context<'channel', Config>
