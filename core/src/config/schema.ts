import { instanceSections } from './problem.js'
import { group, map, names, type SchemaNode } from './schema-node.js'
import { webhook } from './webhook-schema.js'
import { agent, calendar, channelKinds, queue, status, team, workforce } from './work-schema.js'

export type { SchemaNode } from './schema-node.js'

/** The entry shape all plugin kinds share. */
export function instanceSchema(extra: Record<string, SchemaNode> = {}, required: readonly string[] = []): SchemaNode {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['use', ...required],
    properties: {
      use: {
        type: 'string',
        minLength: 1,
        description: 'The plugin: a built-in name, an npm package, or a ./path relative to this file.',
      },
      config: {
        type: 'object',
        default: {},
        description: 'Settings of the plugin; `throughline plugin schema` lists them.',
      },
      required: { type: 'boolean', default: false, description: 'true: readiness fails while it does not run.' },
      onFailure: {
        type: 'string',
        enum: ['retry', 'disable'],
        default: 'retry',
        description: 'After a failure: try again with growing pauses, or stay off until told.',
      },
      checkOnStart: { type: 'boolean', default: false, description: 'Prove the credentials before the start.' },
      allowIncompatible: {
        type: 'boolean',
        default: false,
        description: 'Load the plugin although it was made for another SDK version.',
      },
      facts: {
        type: 'boolean',
        default: false,
        description: 'Of several instances of one plugin, this one loads its facts for rule files.',
      },
      ...extra,
    },
  }
}

const channel = instanceSchema({
  kind: {
    type: 'string',
    enum: channelKinds,
    default: 'messaging',
    description: 'Sort of channel: capacity, routing and SLA defaults go by it.',
  },
})
const surface = instanceSchema(
  {
    mount: {
      type: 'string',
      pattern: '^(/[a-z0-9][a-z0-9._-]*)+$',
      description: 'Path of the page on the server.',
      hint: 'Begin with a slash and do not end with one: "/chat".',
    },
  },
  ['mount'],
)
const sectionTexts: Readonly<Record<(typeof instanceSections)[number], string>> = {
  channels: 'Where customers write: one entry a channel.',
  identity: 'Who a customer is: plugins that read and join identifiers.',
  routing: 'Who answers: plugins that decide queue, priority and skills.',
  analytics: 'Readers of the event log: metrics and reports.',
  surfaces: 'Web pages served by the engine.',
  assistants: 'Bots.',
  context: 'Data shown beside a conversation: CRM, orders.',
  knowledge: 'Sources of answers.',
  notifiers: 'Receivers of outgoing events.',
  storage: 'Where attachments are kept.',
}
const sections = Object.fromEntries(
  instanceSections.map((name) => [
    name,
    map(sectionTexts[name], name === 'channels' ? channel : name === 'surfaces' ? surface : instanceSchema()),
  ]),
)

const server = group('The HTTP server.', {
  host: { type: 'string', minLength: 1, default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 = all.' },
  port: { type: 'integer', minimum: 0, maximum: 65535, default: 8080, description: 'Port; 0 = any free one.' },
  publicUrl: {
    type: 'string',
    default: '',
    pattern: '^(https?://[^\\s/?#]+[^\\s?#]*)?$',
    description: 'Address that providers and customers reach. Empty: http://localhost:<port>.',
    hint: 'Write the full address: "https://support.example.org".',
  },
  trustProxy: names('Addresses (CIDR) of proxies whose X-Forwarded-* headers are believed.'),
  allowedOrigins: {
    ...names("Origins that may open the agents' socket; empty: the origin of publicUrl."),
    items: {
      type: 'string',
      pattern: '^https?://[^\\s/?#]+$',
      hint: 'An origin is scheme and host without a path: "https://desk.example.org".',
    },
  },
  webhookBodyLimit: {
    type: 'integer',
    minimum: 1024,
    maximum: 67108864,
    default: 4194304,
    description: 'Largest webhook body in bytes.',
  },
  egressAllow: names(
    'Private addresses, networks or hosts that plugins and webhooks may call: "10.1.0.0/16", "crm.internal:8443".',
  ),
})
const database = group('PostgreSQL 14 or newer.', {
  url: {
    type: 'string',
    default: '',
    pattern: '^(postgres(ql)?://\\S+)?$',
    description: 'Connection string; empty: the embedded PostgreSQL.',
    hint: 'Write postgres://user:password@host:5432/name, or leave it empty for the embedded PostgreSQL.',
    secret: true,
  },
  dataDir: {
    type: 'string',
    minLength: 1,
    default: 'data/postgres',
    description: 'Folder of the embedded PostgreSQL, relative to the working folder.',
  },
  poolSize: { type: 'integer', minimum: 2, maximum: 200, default: 10, description: 'Connections of this node.' },
})
/** What an operator may write. The reference page and the editors' schema are generated from it. */
export const rootSchema: SchemaNode = Object.freeze({
  type: 'object',
  additionalProperties: false,
  required: ['version'],
  properties: {
    version: { type: 'integer', const: 1, description: 'Version of this file format.', hint: 'Write `version: 1`.' },
    server,
    database,
    files: group('Attachments on disk.', {
      dir: {
        type: 'string',
        minLength: 1,
        default: 'data/files',
        description: 'Folder, relative to the working folder.',
      },
      maxBytes: { type: 'integer', minimum: 1024, default: 26214400, description: 'Largest attachment in bytes.' },
    }),
    roles: {
      type: 'array',
      description: 'What this node does.',
      default: ['web', 'worker'],
      minItems: 1,
      uniqueItems: true,
      items: { type: 'string', enum: ['web', 'worker'] },
    },
    log: group('The log of the engine.', {
      level: { type: 'string', enum: ['trace', 'debug', 'info', 'warn', 'error'], default: 'info' },
      pretty: { type: 'boolean', default: false, description: 'For people instead of machines.' },
    }),
    ...sections,
    webhooks: map('Receivers of signed events over HTTP (Standard Webhooks).', webhook),
    bus: { ...instanceSchema(), description: 'Wake-ups between nodes; absent: PostgreSQL LISTEN/NOTIFY.' },
    queues: map('Lines in which conversations wait.', queue),
    defaultQueue: {
      type: 'string',
      minLength: 1,
      description: 'Where a conversation waits when no rule says otherwise; the first queue when absent.',
    },
    teams: map('Groups of agents.', team),
    skills: {
      ...names('What agents can be asked for.'),
      items: {
        type: 'string',
        pattern: '^[a-z][a-z0-9:_-]{0,40}$',
        hint: 'Use lower-case letters, digits, dashes, underscores and colons.',
      },
    },
    agents: map('People who answer. More can be added with `throughline agent add`.', agent),
    calendars: map('Opening hours for queues and SLA clocks.', calendar),
    statuses: map('Names of your own for what agents say about themselves.', status),
    workforce,
  },
})
