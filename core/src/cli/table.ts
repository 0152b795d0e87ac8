import type { Command } from './command.js'

/** All commands, in the order of the help page. Loaded only when used: `check` must not wait for the engine. */
export const commands: Readonly<Record<string, { readonly summary: string; load(): Promise<Command> }>> = Object.freeze(
  {
    start: {
      summary: 'Run the engine until it is told to stop.',
      load: async () => (await import('./commands/start.js')).start,
    },
    check: {
      summary: 'Check the configuration and the rule files; exit code 78 when something is wrong.',
      load: async () => (await import('./commands/check.js')).check,
    },
    doctor: {
      summary: 'Look at the surroundings: Node.js, configuration, database, port, disk.',
      load: async () => (await import('./commands/doctor.js')).doctor,
    },
    migrate: {
      summary: 'Bring the database to the schema of this release.',
      load: async () => (await import('./commands/migrate.js')).migrate,
    },
    backup: {
      summary: 'Write everything the installation knows, attachments included, into one file.',
      load: async () => (await import('./commands/backup.js')).backup,
    },
    restore: {
      summary: 'Put a backup back; every client starts over from a fresh snapshot.',
      load: async () => (await import('./commands/restore.js')).restore,
    },
    agent: {
      summary: 'Accounts of the people who answer: add, list, password, code, disable, enable.',
      load: async () => (await import('./commands/agent.js')).agent,
    },
    token: {
      summary: 'API tokens: create, list, revoke.',
      load: async () => (await import('./commands/token.js')).token,
    },
    inbox: {
      summary: 'Parked inbound events: list, show, replay.',
      load: async () => (await import('./commands/inbox.js')).inbox,
    },
    outbound: {
      summary: 'Answers held by a restore: list, release.',
      load: async () => (await import('./commands/outbound.js')).outbound,
    },
    webhooks: {
      summary: 'Outgoing webhooks: list, deliveries, replay.',
      load: async () => (await import('./commands/webhooks.js')).webhooks,
    },
    rules: {
      summary: 'Rule files: test, diff, explain, replan.',
      load: async () => (await import('./commands/rules.js')).rules,
    },
    sla: {
      summary: 'SLA clocks: explain.',
      load: async () => (await import('./commands/sla.js')).sla,
    },
    simulate: {
      summary: 'Replay recorded decisions against a draft of the rules.',
      load: async () => (await import('./commands/simulate.js')).simulate,
    },
    plugin: {
      summary: 'Plugins: list, schema, doctor, simulate, release.',
      load: async () => (await import('./commands/plugin.js')).plugin,
    },
    config: {
      summary: 'config schema: the JSON Schema of the configuration for editors.',
      load: async () => (await import('./commands/config.js')).config,
    },
    docs: {
      summary: 'Write the generated reference pages.',
      load: async () => (await import('./commands/docs.js')).docs,
    },
  },
)
