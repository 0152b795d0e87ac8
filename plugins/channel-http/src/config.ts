import type { ConfigSchema, Context, InferConfig } from '@throughline/plugin-sdk'

export const config = {
  type: 'object',
  required: ['secret', 'deliverUrl'],
  properties: {
    secret: {
      type: 'string',
      secret: true,
      minLength: 16,
      description:
        'Signs both directions (Standard Webhooks): whsec_ and base64, or any text of 16 characters and more',
    },
    previousSecret: {
      type: 'string',
      secret: true,
      minLength: 16,
      description: 'Still accepted from the other system while the secret is being changed',
    },
    deliverUrl: {
      type: 'string',
      pattern: '^https?://[^\\s]+$',
      description: 'Where answers are posted to',
    },
    timeoutMs: {
      type: 'integer',
      minimum: 100,
      maximum: 60_000,
      default: 15_000,
      description: 'How long the other system may take to answer',
    },
  },
} as const satisfies ConfigSchema

export type Config = InferConfig<typeof config>
export type HttpContext = Context<'channel', Config>
