import type { ConfigSchema, InferConfig } from '@throughline/plugin-sdk'

/** Settings of the connection. README.md explains every one. */
export const schema = {
  type: 'object',
  properties: {
    servers: {
      type: 'string',
      default: 'nats://127.0.0.1:4222',
      pattern: '^\\S+$',
      description: 'Addresses of the NATS servers, separated by commas without spaces',
    },
    subject: {
      type: 'string',
      default: 'throughline',
      pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$',
      description: 'Subject of this installation; give each installation on a shared NATS one of its own',
    },
    token: { type: 'string', secret: true, description: 'Token, where the servers ask for one' },
    user: { type: 'string', description: 'User name, where the servers ask for one' },
    password: { type: 'string', secret: true, description: 'Password of the user' },
    credentials: {
      type: 'string',
      secret: true,
      description: 'Content of a .creds file (JWT and NKey), e.g. "${file:/run/secrets/nats.creds}"',
    },
    tls: { type: 'boolean', default: false, description: 'Refuse servers without TLS' },
    caFile: { type: 'string', description: 'Path of the certificates to trust, in PEM; default: those Node.js trusts' },
  },
} as const satisfies ConfigSchema

export type NatsConfig = InferConfig<typeof schema>
