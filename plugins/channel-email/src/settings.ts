import type { ConfigSchema, InferConfig } from '@throughline/plugin-sdk'

/** Settings of one mailbox. README.md explains every one with examples. */
export const schema = {
  type: 'object',
  required: ['address'],
  properties: {
    address: {
      type: 'string',
      format: 'email',
      description: 'The address customers write to, e.g. support@example.com',
    },
    name: { type: 'string', description: 'Name shown as the sender of answers, e.g. Example Support' },
    smtp: {
      type: 'object',
      description: 'Receive over SMTP: a listener your mail server forwards to. Absent: no listener',
      properties: {
        listen: { type: 'string', default: '127.0.0.1:2525', description: 'host:port to listen on' },
        maxBytes: {
          type: 'integer',
          default: 26_214_400,
          minimum: 65_536,
          maximum: 104_857_600,
          description: 'Largest mail accepted, in bytes',
        },
        allowedClients: {
          type: 'array',
          items: { type: 'string' },
          default: ['127.0.0.0/8', '::1/128'],
          description: 'Networks (CIDR) that may connect; default: this host only',
        },
        secure: { type: 'boolean', default: false, description: 'TLS from the first byte instead of STARTTLS' },
        keyFile: { type: 'string', description: 'PEM file with the private key for TLS' },
        certFile: { type: 'string', description: 'PEM file with the certificate chain for TLS' },
      },
    },
    imap: {
      type: 'object',
      description: 'Receive from a mailbox over IMAP. Absent: no mailbox is read',
      required: ['host', 'user'],
      properties: {
        host: { type: 'string', description: 'IMAP server' },
        port: { type: 'integer', default: 993, minimum: 1, maximum: 65_535, description: 'Port, 993 for TLS' },
        tls: { type: 'boolean', default: true, description: 'TLS from the first byte; false: STARTTLS when offered' },
        user: { type: 'string', description: 'User name' },
        password: { type: 'string', secret: true, description: 'Password, or an application password' },
        accessToken: { type: 'string', secret: true, description: 'OAuth2 access token instead of a password' },
        mailbox: { type: 'string', default: 'INBOX', description: 'Folder to read' },
        since: {
          type: 'string',
          enum: ['now', 'all'],
          default: 'now',
          description:
            'Which mail the first connection takes in: what arrives from now on, or everything in the folder',
        },
        pollSeconds: {
          type: 'integer',
          default: 60,
          minimum: 1,
          maximum: 1500,
          description: 'Looks for new mail this often even when the server announces none',
        },
        maxBytes: {
          type: 'integer',
          default: 26_214_400,
          minimum: 65_536,
          maximum: 104_857_600,
          description: 'Largest mail read, in bytes; of a larger one only the header is kept',
        },
      },
    },
    outgoing: {
      type: 'object',
      description: 'SMTP server that sends the answers. Absent: answers stay queued',
      required: ['host'],
      properties: {
        host: { type: 'string', description: 'SMTP server' },
        port: { type: 'integer', default: 587, minimum: 1, maximum: 65_535, description: 'Port: 587, 465 or 25' },
        secure: { type: 'boolean', default: false, description: 'TLS from the first byte (port 465)' },
        requireTls: {
          type: 'boolean',
          default: true,
          description: 'Refuse to send when the server offers no STARTTLS',
        },
        user: { type: 'string', description: 'User name; absent: no login' },
        password: { type: 'string', secret: true, description: 'Password' },
      },
    },
    trustedAuthserv: {
      type: 'array',
      items: { type: 'string' },
      default: [],
      description: 'Names (authserv-id) of your own mail servers whose Authentication-Results are believed',
    },
    replyDomain: {
      type: 'string',
      description: 'Domain of reply addresses and Message-IDs; default: domain of `address`',
    },
    autoReplyLimit: {
      type: 'integer',
      default: 5,
      minimum: 0,
      maximum: 1000,
      description: 'Automatic answers to one address within an hour; more are refused (loop guard)',
    },
  },
} as const satisfies ConfigSchema

export type Settings = InferConfig<typeof schema>
export type SmtpSettings = NonNullable<Settings['smtp']>
export type ImapSettings = NonNullable<Settings['imap']>
export type OutgoingSettings = NonNullable<Settings['outgoing']>
