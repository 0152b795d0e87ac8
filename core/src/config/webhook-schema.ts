import type { SchemaNode } from './schema-node.js'

/** One entry of `webhooks`. */
export const webhook: SchemaNode = {
  type: 'object',
  additionalProperties: false,
  required: ['url', 'secrets'],
  properties: {
    url: {
      type: 'string',
      pattern: '^https?://[^\\s/?#@]+([/?][^\\s#]*)?$',
      description: 'Where events are posted. Private addresses need server.egressAllow; redirects are not followed.',
      hint: 'Write the full address without a user name: "https://example.org/hooks".',
    },
    secrets: {
      type: 'array',
      description: 'Keys that sign. Each one adds a signature: list the new and the old one while you change them.',
      minItems: 1,
      uniqueItems: true,
      items: {
        type: 'string',
        secret: true,
        pattern: '^whsec_[A-Za-z0-9+/]{32,}={0,2}$',
        hint: 'Write whsec_ and 24 or more random bytes in base64, and take it from the environment: ${NAME}.',
      },
    },
    events: {
      type: 'array',
      description: 'Types ("message.inbound"), areas ("sla.*") or "*".',
      default: ['*'],
      minItems: 1,
      uniqueItems: true,
      items: {
        type: 'string',
        pattern: '^(\\*|[a-z]+\\.(\\*|[A-Za-z]+))$',
        hint: 'Write a type such as "message.inbound", an area such as "sla.*", or "*".',
      },
    },
    pii: {
      type: 'string',
      enum: ['none', 'pseudonymous', 'full'],
      default: 'pseudonymous',
      description: 'full: texts and names; pseudonymous: ids, no texts; none: ids only as hashes.',
    },
    headers: {
      type: 'object',
      description: 'Further headers of every request.',
      default: {},
      propertyNames: {
        type: 'string',
        pattern:
          '^(?!(?:webhook-.*|content-type|content-length|host|connection|transfer-encoding)$)[a-z][a-z0-9-]{0,60}$',
        hint: 'Use lower-case names; those of the signature and of the body are the engine’s.',
      },
      additionalProperties: { type: 'string', pattern: '^[\\x20-\\x7e]*$', hint: 'Use printable ASCII.' },
    },
    timeoutSeconds: { type: 'integer', minimum: 1, maximum: 30, default: 15, description: 'For one request.' },
    concurrency: { type: 'integer', minimum: 1, maximum: 32, default: 4, description: 'Requests at the same time.' },
    enabled: { type: 'boolean', default: true, description: 'false: events wait, as long as the log keeps them.' },
  },
}
