import type { MediaHandle, Part, Ref, Sender, ThreadRef } from './content.js'
import type { InboundEvent } from './content.js'
import type { Lifecycle } from './define.js'
import type { EventStream, RawRequest, Reply } from './request.js'
import type { Verifier } from './verify.js'

/** What `send` reports: the network's id of the message, and how far it already got. Default status: sent. */
export type Sent = { readonly externalId: string; readonly status?: 'sent' | 'delivered' }

/** One part of an answer, already fitted to the channel's capabilities. */
export type OutboundPart = {
  readonly id: string
  /** UUID, the same over all retries of this part. */
  readonly idempotencyKey: string
  readonly thread: ThreadRef
  /** ALWAYS there: the text, the caption, or the plain rendering. A text-only channel needs nothing else. */
  readonly text: string
  readonly content: Part
  /** Network id of the customer's message this answers. */
  readonly replyTo?: string
  /** Network ids of the thread's latest messages, oldest first, at most 20: for References lines. */
  readonly references?: readonly string[]
  readonly subject?: string
  /** Signed token for this conversation and recipient; comes back as `replyToken` of the customer's answer. */
  readonly replyToken?: string
  /** Who says it: a person, a bot, or the engine itself (automatic answers must be marked as such). */
  readonly author: { readonly kind: 'agent' | 'bot' | 'system'; readonly name: string | null }
}

/**
 * `signal` is aborted when the call takes too long or the instance stops, and is of use until the method has answered; work
 * that goes on after it listens to `ctx.signal`. `attempt` counts from 1.
 */
export type SendControl = { readonly signal: AbortSignal; readonly attempt: number }

export type Media = { readonly bytes: Uint8Array; readonly mime?: string; readonly name?: string }
export type Profile = {
  readonly name?: string
  readonly language?: string
  readonly timeZone?: string
  readonly avatarUrl?: string
}

/**
 * A channel instance. Only `send` is required. The core calls every method under a time limit and counts failures;
 * methods of one instance may run concurrently, parts of one thread never do.
 */
export interface Channel extends Lifecycle {
  /** Push networks: POST and GET on `<publicUrl>/webhook`. */
  readonly webhook?: Webhook
  /** Further routes for the customers' own clients, under `<publicUrl>/<name>`; see Endpoint. */
  readonly endpoints?: Readonly<Record<string, Endpoint>>
  /**
   * Poll and socket networks: runs until the signal aborts. Call `ready` once connected. On a throw or return the core
   * restarts it with backoff. One node at a time runs it.
   */
  connect?(signal: AbortSignal, ready: () => void): Promise<void>
  /**
   * Delivers ONE part. May do I/O; throws PluginError. Must honour `idempotencyKey` when the network can. Called in
   * order per conversation and channel; the core retries by the error's code.
   */
  send(part: OutboundPart, control: SendControl): Promise<Sent>
  edit?(ref: Ref, part: OutboundPart, control: SendControl): Promise<void>
  remove?(ref: Ref, control: SendControl): Promise<void>
  react?(ref: Ref, emoji: string | null, control: SendControl): Promise<void>
  typing?(thread: ThreadRef, on: boolean, control: SendControl): Promise<void>
  markRead?(thread: ThreadRef, upTo: Ref, control: SendControl): Promise<void>
  /** Bytes of an attachment that needs the network's credentials. Called after the message is safe; retried. */
  fetchMedia?(handle: MediaHandle, control: SendControl): Promise<Media>
  fetchProfile?(id: string, control: SendControl): Promise<Profile | null>
  /** Starts a thread with somebody who has not written yet. */
  open?(to: Sender, control: SendControl): Promise<ThreadRef>
}

export interface Webhook {
  /** REQUIRED. Runs over the raw bytes before anything else; nothing unsigned enters. */
  readonly verify: Verifier
  /** Answers a provider's handshake (hub.challenge, url_verification). Not verified, must not reveal anything. */
  challenge?(request: RawRequest): Reply | undefined
  /**
   * Pure decode: bytes in, events out. No I/O, no clock. An unknown shape yields `{type: 'unknown'}`. A throw parks the
   * whole body for replay; one odd item among good ones must not throw.
   */
  parse(request: RawRequest): readonly InboundEvent[]
  /** Sent after the events are stored. Default 200 with an empty body. */
  readonly reply?: Reply | ((events: readonly InboundEvent[]) => Reply)
}

/**
 * A route for the customers' own clients (web chat): not signed by a provider, so `handle` itself decides who is there.
 * Limited to 64 KiB a body and a rate per address. Cross-origin calls are answered for `origins` only.
 */
export interface Endpoint {
  readonly method: 'GET' | 'POST'
  /** `'*'` or exact origins. Default: same origin only. */
  readonly origins?: '*' | readonly string[]
  handle(request: RawRequest, control: { readonly signal: AbortSignal }): Promise<Reply | EventStream>
}
