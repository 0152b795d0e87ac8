/** An HTTP request as it came: bytes untouched, header names in lower case. Frozen. */
export interface RawRequest {
  readonly method: 'GET' | 'POST'
  /** Path after the instance's root: `''` for the webhook itself, else the endpoint's name. */
  readonly path: string
  /** The public URL called, query included, rebuilt from configuration (never from Host). */
  readonly url: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Address of the caller, proxies resolved. */
  readonly ip: string
  /** When it came, ms since the epoch: the clock for timestamp checks. */
  readonly receivedAt: number
  /** Body as UTF-8; throws on invalid UTF-8. */
  text(): string
  /** Body as JSON; keys named __proto__ are dropped. Throws on anything else than JSON. */
  json<T = unknown>(): T
  /** Body as application/x-www-form-urlencoded; repeated names keep all values. */
  form(): URLSearchParams
}

export type Reply = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown
}

/** Server-sent events: the core frames them, keeps the line alive and ends it when the caller goes away. */
export type EventStream = {
  readonly stream: AsyncIterable<{ readonly id?: string; readonly event?: string; readonly data: unknown }>
}
