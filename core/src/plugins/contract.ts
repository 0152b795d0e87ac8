import type {
  Analytics,
  Bus,
  Capabilities,
  Channel,
  ChannelDef,
  FactSubject,
  Identity,
  Logger,
  PluginDef,
  RawRequest,
  Routing,
  RuleValue,
  Surface,
  ThreadChange,
  ThreadMessage,
} from '@throughline/plugin-sdk'
import type { ChannelKind } from '../config/contract.js'

/** configured → loading → starting → running ⇄ degraded → draining → stopped; the rest are sinks, some with a retry. */
export type InstanceState =
  | 'configured'
  | 'loading'
  | 'starting'
  | 'running'
  | 'degraded'
  | 'draining'
  | 'stopped'
  | 'invalid_config'
  | 'incompatible'
  | 'bad_credentials'
  | 'failed'
  | 'disabled'
  | 'quarantined'

/** What /v1/admin/plugins shows. */
export interface InstanceStatus {
  readonly id: string
  readonly kind: string
  readonly use: string
  readonly plugin: string | null
  readonly version: string | null
  readonly state: InstanceState
  readonly since: number
  readonly code: string | null
  readonly message: string | null
  readonly userAction: string | null
  readonly retryAt: number | null
  readonly required: boolean
  /** Signature scheme of a channel's webhook; `unverified: <why>` where it cannot sign. */
  readonly signature: string | null
  /** Calls it has in hand, on the node that answers. */
  readonly calls?: number
}

/** A plugin instance as the core uses it: every call goes through the guard. */
export interface Instance<I> {
  readonly id: string
  readonly use: string
  status(): InstanceStatus
  /**
   * The live object. null while the instance does not run. Rejected credentials found by `report` stop what goes out, not
   * what comes in: the object stays then, and `call` refuses everything but inbound operations.
   */
  readonly live: I | null
  /**
   * Calls the plugin under a time limit, attributed to the instance and counted by its breaker. Throws what the plugin
   * threw (PluginErrors by brand), TL_PLUGIN_TIMEOUT, TL_PLUGIN_BUSY when too many calls hang, or
   * TL_CHANNEL_UNAVAILABLE when not live or its breaker is open.
   * The operation is the method's name (`send`, `parse`, `endpoint messages`); breakers go by it.
   */
  call<T>(operation: string, timeoutMs: number, run: (live: I, signal: AbortSignal) => Promise<T> | T): Promise<T>
  /**
   * A call that answers at once (`parse`): attributed, and seen by the watchdog; without time limit or breaker, which cannot
   * help there. Throws what the plugin throws. Absent where nobody supervises: then the plugin is called as it is.
   */
  inside?<T>(operation: string, run: () => T): T
  /**
   * Milliseconds for which the breaker lets no call of this operation out; 0: try. Whoever would only collect refusals asks
   * before. Absent where nobody supervises.
   */
  heldFor?(operation: string): number
}

export interface ChannelInstance extends Instance<Channel> {
  readonly kind: ChannelKind
  readonly def: ChannelDef | null
  capabilities(thread: string): Capabilities | null
  /** `send` failed with `auth` or `config`: put the instance into that state. Its check() is retried with backoff. */
  report(code: 'auth' | 'config', message: string): void
}

/** What `ctx.threads` reads from: the customer's view of one channel's thread. Implemented by conversations. */
export interface ThreadReader {
  read(
    channel: string,
    thread: string,
    options: { readonly after?: string; readonly limit?: number },
  ): Promise<readonly ThreadMessage[]>
  watch(channel: string, thread: string, changed: (what: ThreadChange) => void): () => void
}

/** An instance whose plugin publishes facts for rule files, under the plugin's name. */
export interface FactSource {
  readonly instance: string
  readonly prefix: string
  readonly facts: readonly string[]
  /** Of the published schema: `number`, `string`, `array` … */
  typeOf(fact: string): string
  /** Through the guard: rejects when late, failing or not running. */
  load(fact: string, subjects: readonly FactSubject[], timeoutMs: number): Promise<readonly RuleValue[]>
}

export interface PluginHost {
  /** Loads and starts everything; resolves when every instance is running or in a sink. Never throws for a plugin. */
  start(): Promise<void>
  stop(): Promise<void>
  statuses(): readonly InstanceStatus[]
  channel(id: string): ChannelInstance | null
  channels(): readonly ChannelInstance[]
  identity(): readonly Instance<Identity>[]
  routing(): readonly Instance<Routing>[]
  analytics(): readonly Instance<Analytics>[]
  surfaces(): readonly (Instance<Surface> & { readonly mount: string })[]
  /** What wakes other nodes; null: none is configured, PostgreSQL does it. */
  bus(): Instance<Bus> | null
  /** Definitions by name, for rule operators and facts. */
  definitions(): readonly PluginDef[]
  /** One an instance, for facts of rule files; of several instances of a plugin the first, or the one with `facts: true`. */
  factSources(): readonly FactSource[]
  /** Calls back on every change of state of any instance. */
  onChange(changed: (status: InstanceStatus, previous: InstanceState) => void): () => void
}

export type { Capabilities, Channel, Identity, Logger, RawRequest, Routing, Analytics }
