import type { InboundEvent, Part } from './content.js'
import type { PluginErrorCode } from './errors.js'
import type { RuleFiles } from './rules.js'

export type Kind =
  | 'channel'
  | 'identity'
  | 'routing'
  | 'analytics'
  | 'assistant'
  | 'context'
  | 'knowledge'
  | 'notifier'
  | 'storage'
  | 'bus'
  | 'surface'

/** Structured log of one instance. The message is constant, data goes into fields; secrets are redacted by value. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

export type HttpOptions = {
  readonly headers?: Readonly<Record<string, string>>
  readonly bearer?: string
  readonly basic?: { readonly user: string; readonly password: string }
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly multipart?: FormData
  readonly body?: string | Uint8Array
  /** Default 15 000 ms over the whole call. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Bytes of an answer. Default 10 MiB. */
  readonly maxBytes?: number
  /** Statuses that mean something else on this network than in the table of error codes. */
  readonly errors?: Readonly<Record<number, PluginErrorCode>>
  /** Return any status instead of throwing. */
  readonly allowStatus?: boolean
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  text(): string
  json<T = unknown>(): T
}

/**
 * Outgoing HTTP: time limit, size limit, guard against requests into private networks (DNS rebinding and redirects
 * included), and failures as PluginError: 408/425/5xx/network → retryable · 429, and 503 with Retry-After → rate_limited ·
 * 401/403 → auth · 400/404/413/422 → permanent · no answer after the request was sent → uncertain (POST, PUT, PATCH).
 */
export interface Http {
  get(url: string, options?: HttpOptions): Promise<HttpResponse>
  post(url: string, options?: HttpOptions): Promise<HttpResponse>
  put(url: string, options?: HttpOptions): Promise<HttpResponse>
  delete(url: string, options?: HttpOptions): Promise<HttpResponse>
}

/** Durable key-value state of one instance; nobody else can read it. Values are JSON. */
export interface State {
  get<T = unknown>(key: string): Promise<T | null>
  set(key: string, value: unknown, options?: { readonly ttlMs?: number }): Promise<void>
  /** Writes only if the stored value still equals `expected` (null: absent). */
  cas(key: string, expected: unknown, value: unknown): Promise<boolean>
  delete(key: string): Promise<void>
  list(prefix: string): Promise<readonly { readonly key: string; readonly value: unknown }[]>
}

export type StoredFile = { readonly key: string; readonly size: number; readonly sha256: string; readonly mime: string }

/** Attachments. Content-addressed: putting the same bytes twice yields the same key and one file. */
export interface Files {
  put(bytes: Uint8Array, meta?: { readonly name?: string; readonly mime?: string }): Promise<StoredFile>
  get(key: string): Promise<Uint8Array | null>
  /** A link the customer's network can fetch, valid for `ttlMs` (default 1 h). */
  url(key: string, options?: { readonly ttlMs?: number; readonly name?: string }): string
}

export interface Metrics {
  /** Adds to a counter named `plugin_<instance>_<name>`. Labels are few and never hold customers' data. */
  count(name: string, value?: number, labels?: Readonly<Record<string, string>>): void
}

/** The only write path into the core. Resolves when the rows are committed: move a cursor only after that. */
export interface Inbox {
  accept(
    events: readonly InboundEvent[],
    raw?: { readonly body: Uint8Array; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<{ readonly stored: number; readonly duplicate: number }>
}

/** A message as the customer may see it on its own thread. Never notes, never other channels' messages. */
export type ThreadMessage = {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly at: number
  readonly author: { readonly kind: 'customer' | 'agent' | 'bot' | 'system'; readonly name: string | null }
  readonly parts: readonly Part[]
  /** Network id: of the inbound event, or what `send` returned. */
  readonly externalId: string | null
  /** Its words were changed; `parts` has the new ones. */
  readonly edited?: boolean
  /** It was taken back: `parts` is empty. */
  readonly deleted?: boolean
  /** How often each emoji stands at it. */
  readonly reactions?: readonly { readonly emoji: string; readonly count: number }[]
  /** Opaque place in the thread; pass the last one seen as `after`. */
  readonly cursor: string
}

/** Where a waiting customer stands. */
export type QueuePlace = {
  /** From 1. */
  readonly position: number
  /** Half of the customers wait shorter, and 80 of 100, in seconds; null: too little is known to say. */
  readonly estimate: { readonly p50S: number; readonly p80S: number } | null
}

/** What changed on a thread besides its messages. */
export type ThreadChange = {
  readonly typing?: boolean
  /** The customer waits for an agent; null: not any more. Said while a client watches the thread, about every 5 seconds. */
  readonly queue?: QueuePlace | null
}

/** A channel's own threads, for channels whose client reads from us instead of from a network (web chat). */
export interface Threads {
  read(
    thread: string,
    options?: { readonly after?: string; readonly limit?: number },
  ): Promise<readonly ThreadMessage[]>
  /** Calls back whenever the thread may have changed: new message, edit, deletion, reaction, receipt, typing agent. At least once, on any node. */
  watch(thread: string, changed: (what: ThreadChange) => void): () => void
}

/** Signatures with a key derived for this instance: nothing to configure, the same on every node, never leaves us. */
export interface Signer {
  sign(data: string): string
  verify(data: string, signature: string): boolean
}

export type Health = {
  readonly status: 'ok' | 'degraded' | 'down'
  readonly code?: string
  readonly detail?: string
  /** What the operator should do. */
  readonly userAction?: string
}

/** What the engine gives to one plugin instance. */
export interface Context<K extends Kind = Kind, C = unknown> {
  readonly kind: K
  /** Instance id from YAML. */
  readonly id: string
  readonly config: Readonly<C>
  readonly log: Logger
  readonly http: Http
  readonly state: State
  readonly files: Files
  readonly metrics: Metrics
  readonly clock: Clock
  readonly signer: Signer
  /** This instance's public root, no slash at the end: `<publicUrl>/channels/<id>`. The webhook is `<root>/webhook`. */
  readonly publicUrl: string
  /** Aborted when the instance stops. */
  readonly signal: AbortSignal
  readonly inbox: K extends 'channel' | 'assistant' ? Inbox : never
  readonly threads: K extends 'channel' ? Threads : never
  /** Rule files of the engine, for routing plugins. Absent where the engine has none, e.g. in a conformance run. */
  readonly rules?: K extends 'routing' ? RuleFiles : never
  setHealth(health: Health): void
  /** Runs `task` every `ms` on one node at a time; never overlaps itself; errors are logged and counted. */
  every(name: string, ms: number, task: (signal: AbortSignal) => Promise<void>): void
}
