import type { ConfigSchema, InferConfig } from '@throughline/plugin-sdk'

/** Settings of a web chat. Nothing is required: without any, visitors are anonymous and only the own origin may call. */
export const config = {
  type: 'object',
  properties: {
    allowedOrigins: {
      type: 'array',
      items: { type: 'string', minLength: 1 },
      default: [],
      description: 'Sites that may embed the widget, e.g. https://shop.example; "*" allows any. Empty: own origin only',
    },
    title: { type: 'string', default: 'Chat with us', maxLength: 80, public: true, description: 'Heading of the chat' },
    greeting: { type: 'string', maxLength: 1000, public: true, description: 'First lines a visitor sees (Markdown)' },
    ask: {
      type: 'array',
      items: { type: 'string', enum: ['name', 'email', 'phone'] },
      default: ['name', 'email'],
      public: true,
      description: 'What an anonymous visitor is offered to leave; always kept as claimed, never as verified',
    },
    siteSecret: {
      type: 'string',
      secret: true,
      minLength: 32,
      description:
        'HS256 secret with which your site signs the tokens of its signed-in visitors; 32 characters or more',
    },
    previousSiteSecret: {
      type: 'string',
      secret: true,
      minLength: 32,
      description: 'The secret before, still accepted while you rotate',
    },
    audience: {
      type: 'string',
      minLength: 1,
      description: 'Expected `aud` of the site tokens. Default: the id of this channel',
    },
    requireSigned: {
      type: 'boolean',
      default: false,
      description: 'Only visitors with a token signed by your site may chat',
    },
    visitorDays: {
      type: 'integer',
      default: 30,
      minimum: 1,
      maximum: 365,
      description: 'Days an anonymous visitor is remembered after the last visit',
    },
    signedHours: {
      type: 'integer',
      default: 8,
      minimum: 1,
      maximum: 72,
      description: 'Hours a signed visitor may go on before the site has to sign again',
    },
  },
} as const satisfies ConfigSchema

export type Config = InferConfig<typeof config>
