/**
 * The configuration after reading: variables substituted, defaults filled in, references checked. Frozen.
 * The JSON Schema in schema.ts is the truth about what an operator may write; these types are what the engine gets.
 */

/** Where something stands in a configuration file; line and column count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One plugin instance of any kind as the operator wrote it. */
export interface InstanceConfig {
  /** The key in YAML: in URLs, logs, metrics, tables. Stable. */
  readonly id: string
  /** Built-in name (`channel-webchat`), npm package, or `./relative/path` (relative to the configuration file). */
  readonly use: string
  /** Plugin settings, substituted but not yet validated against the plugin's schema (the plugin host does that). */
  readonly config: Readonly<Record<string, unknown>>
  /** Readiness fails while this instance does not run. */
  readonly required: boolean
  readonly onFailure: 'retry' | 'disable'
  readonly checkOnStart: boolean
  readonly allowIncompatible: boolean
  /** Of several instances of one plugin, this one loads its facts for rule files. */
  readonly facts?: boolean
  readonly position: Position
  /** Position of a field inside `config` by JSON pointer (`/token`), for errors of the plugin's schema. */
  positionOf(pointer: string): Position
  /** Dotted path of the entry in the file: `channels.line-jp`. */
  readonly path?: string
  /** Position of the key of a field: for unknown keys. */
  keyPositionOf?(pointer: string): Position
  /** Pointers inside `config` whose text came out of `${…}`: it may be read as a number, and it is no literal secret. */
  readonly substituted?: ReadonlySet<string>
  /** Errors in this entry. Not empty: the instance goes to `invalid_config`, the others start. */
  readonly problems?: readonly ConfigProblem[]
}

export interface ChannelConfig extends InstanceConfig {
  /** Sort of channel: defaults of routing, capacity and SLA go by it. */
  readonly kind: ChannelKind
}

export type ChannelKind = 'voice' | 'webchat' | 'messaging' | 'sms' | 'email' | 'social'

export interface SurfaceConfig extends InstanceConfig {
  readonly mount: string
}

export interface QueueConfig {
  readonly id: string
  readonly name: string
  readonly teams: readonly string[]
  readonly skills: Readonly<Record<string, number>>
  readonly calendar: string | null
  /** Seconds an offer stays open. */
  readonly offerSeconds: number
  readonly overflow: string | null
  readonly maxWaitSeconds: number | null
  readonly strict: boolean
  /** How far ahead of other queues its work is for agents who serve several; absent: 0. Its own order does not change. */
  readonly headStartSeconds?: number
  /** Seconds of wrap-up after an agent completes work of this queue; 0: none. */
  readonly wrapUpSeconds?: number
  /** `broadcast`: several agents are asked at once, the first to accept has it. */
  readonly offer?: 'one' | 'broadcast'
  /** Most agents asked at once by a broadcast. */
  readonly broadcastTo?: number
  /** Kinds of channel that do not count while a call of this queue lasts. */
  readonly interruptible?: readonly ChannelKind[]
  /** Who of those with room is asked; absent: least_loaded. */
  readonly selection?: SelectionMode
  /** Seconds an item waits for a preferred agent who is full; null or absent: by sort of channel. */
  readonly holdSeconds?: number | null
  /** Absent: an agent gets as many new items as there is room for. */
  readonly fairShare?: FairShareConfig
}

/** So many new items an agent, within so many minutes. */
export interface FairShareConfig {
  readonly items: number
  readonly minutes: number
}

export type SelectionMode = 'least_loaded' | 'longest_idle' | 'round_robin' | 'best_skill'

export interface AgentConfig {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly role: AgentRole
  readonly teams: readonly string[]
  readonly skills: Readonly<Record<string, number>>
  readonly languages: Readonly<Record<string, string>>
  readonly capacity: number
  readonly perChannel: Readonly<Record<string, number>>
  readonly timeZone: string
  /** Who is asked when this one is preferred and not there. */
  readonly backup?: string | null
  /** Working hours in the agent's time zone; null or absent: no schedule, works whenever online. */
  readonly schedule?: ScheduleConfig | null
}

/** Windows as in a calendar; the time zone is the agent's. */
export type ScheduleConfig = Pick<CalendarConfig, 'weekly' | 'holidays' | 'overrides'>

/** An administrator's name for one of the unified statuses. */
export interface StatusConfig {
  readonly id: string
  readonly name: string
  readonly means: 'online' | 'busy' | 'away' | 'wrap' | 'offline'
}

export interface WorkforceConfig {
  /** Minutes before the end of a shift in which an agent gets only what is likely to be done in time. */
  readonly shiftEndMinutes: number
  /** What becomes of messages and e-mails in hand when the shift ends. */
  readonly atShiftEnd: 'keep' | 'requeue'
  /** Minutes after an absent agent's next opening until their messages and e-mails go to others. */
  readonly ownerGraceMinutes: number
  /** Minutes a message in hand waits for its customer until it counts `idleUnits`; 0: it counts in full for ever. */
  readonly idleMinutes?: number
  readonly idleUnits?: number
}

export type AgentRole = 'agent' | 'lead' | 'admin' | 'auditor' | 'integrator'

export interface TeamConfig {
  readonly id: string
  readonly name: string
  /** Opening hours of the team; a queue is closed when all its teams are. */
  readonly calendar?: string | null
}

export interface CalendarConfig {
  readonly id: string
  readonly timeZone: string
  /** `mon: ["09:00-17:00"]`; several windows a day, 24:00 allowed, close <= open runs overnight. */
  readonly weekly: Readonly<Record<string, readonly string[]>>
  readonly holidays: readonly string[]
  readonly overrides: Readonly<Record<string, readonly string[]>>
}

/** One receiver of outgoing webhooks. */
export interface WebhookConfig {
  readonly id: string
  readonly url: string
  /** `whsec_<base64>`, 24 bytes or more. The first is the current one; every one signs, so that secrets can be changed. */
  readonly secrets: readonly string[]
  /** Types (`message.inbound`), areas (`sla.*`) or `*`. */
  readonly events: readonly string[]
  readonly pii: 'none' | 'pseudonymous' | 'full'
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  /** Requests to this receiver at the same time. */
  readonly concurrency: number
  readonly enabled: boolean
}

export type NodeRole = 'web' | 'worker'

export interface Config {
  readonly file: string
  readonly version: 1
  readonly server: {
    readonly host: string
    readonly port: number
    /** Address providers and customers reach; no slash at the end. Default http://localhost:<port>. */
    readonly publicUrl: string
    /** CIDR list of proxies whose X-Forwarded-* headers are believed. */
    readonly trustProxy: readonly string[]
    /** Origins that may open the agents' socket; empty = same origin as publicUrl, plus no Origin at all (tools). */
    readonly allowedOrigins: readonly string[]
    /** Bytes of a webhook body. Default 4 MiB. */
    readonly webhookBodyLimit: number
    /** Private addresses, networks and hosts that plugins may call; everything else private is refused (P12). */
    readonly egressAllow?: readonly string[]
  }
  readonly database: { readonly url: string | null; readonly dataDir: string; readonly poolSize: number }
  readonly files: { readonly dir: string; readonly maxBytes: number }
  readonly roles: readonly NodeRole[]
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; readonly pretty: boolean }
  readonly channels: readonly ChannelConfig[]
  readonly identity: readonly InstanceConfig[]
  readonly routing: readonly InstanceConfig[]
  readonly analytics: readonly InstanceConfig[]
  readonly surfaces: readonly SurfaceConfig[]
  /** Receivers of signed events. Absent only in tests. */
  readonly webhooks?: readonly WebhookConfig[]
  /** Further kinds, passed through to the plugin host: assistants, context, knowledge, notifiers, storage, bus. */
  readonly plugins: readonly InstanceConfig[]
  readonly queues: readonly QueueConfig[]
  readonly defaultQueue: string
  readonly teams: readonly TeamConfig[]
  readonly skills: readonly string[]
  readonly agents: readonly AgentConfig[]
  readonly calendars: readonly CalendarConfig[]
  /** Absent only in tests. */
  readonly statuses?: readonly StatusConfig[]
  readonly workforce?: WorkforceConfig
  /** Folders beside the configuration file, absolute. */
  readonly rulesDir: string
  readonly templatesDir: string
  /** Every value that came from the environment or a file: redacted wherever text leaves the engine. */
  readonly secrets: ReadonlySet<string>
}

/** One finding of `throughline check`. */
export interface ConfigProblem {
  readonly code: string
  readonly severity: 'error' | 'warning'
  readonly position: Position
  /** Dotted path of keys: `channels.line-jp.config.token`. */
  readonly path: string
  /** What is wrong. */
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
  /** Id of the instance the finding belongs to; null = the root: the engine cannot start. */
  readonly instance: string | null
}

/** A further source of findings for `throughline check`: rule files, templates, schemas of plugins. Must not throw. */
export type CheckSource = (config: Config) => Promise<readonly ConfigProblem[]>

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly problems: readonly ConfigProblem[] }
  | { readonly ok: false; readonly config: null; readonly problems: readonly ConfigProblem[] }
