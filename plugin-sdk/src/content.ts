/** What is said: parts of messages, the people and threads around them, and the events a channel reports. */

/** The network's own chat, room, mail thread or peer. The core maps channel + thread to a touchpoint. */
export type ThreadRef = { readonly id: string }
export type Thread = ThreadRef & { readonly kind?: 'direct' | 'group'; readonly title?: string }

/** `verified`: the network or a signature vouches for it. `claimed`: somebody typed it. */
export type Assurance = 'verified' | 'claimed'

/** A (kind, value) that points to a contact: `phone` +15551234, `email` a@b.c, `telegram` 123, `device` … */
export type IdentifierKey = { readonly kind: string; readonly value: string }
/** Default assurance: verified, because a channel reports here what its network vouches for. */
export type SenderIdentifier = IdentifierKey & { readonly assurance?: Assurance }

/**
 * Who wrote. `id` is the network's id of the person within this channel instance. `assurance: 'claimed'` where even that
 * id could be forged (a From line without DMARC): such a sender never reaches a verified contact's history.
 */
export type Sender = {
  readonly id: string
  readonly name?: string
  readonly assurance?: Assurance
  readonly identifiers?: readonly SenderIdentifier[]
  /** Small profile facts the network reports; language as a BCP 47 tag, time zone as an IANA name. */
  readonly profile?: {
    readonly language?: string
    readonly timeZone?: string
    readonly avatarUrl?: string
    readonly attributes?: Readonly<Record<string, string | number | boolean>>
  }
}

/**
 * Where the bytes of an attachment are. `id` or `url`: fetched by the core after the message is safe, through
 * `fetchMedia` or the guarded client. `file`: already stored through `ctx.files.put`.
 */
export type MediaHandle = {
  readonly id?: string
  readonly url?: string
  readonly file?: string
  readonly mime?: string
  readonly name?: string
  readonly size?: number
  readonly sha256?: string
}

export type MediaKind = 'image' | 'audio' | 'video' | 'file' | 'voice' | 'sticker'
export type Choice = { readonly label: string; readonly value?: string; readonly url?: string }
export type Card = {
  readonly title: string
  readonly text?: string
  readonly image?: MediaHandle
  readonly choices?: readonly Choice[]
}

export type Part =
  | { readonly type: 'text'; readonly text: string; readonly format?: 'plain' | 'markdown' }
  | { readonly type: MediaKind; readonly media: MediaHandle; readonly caption?: string }
  | {
      readonly type: 'location'
      readonly lat: number
      readonly lon: number
      readonly name?: string
      readonly address?: string
    }
  | { readonly type: 'choices'; readonly text: string; readonly choices: readonly Choice[] }
  | ({ readonly type: 'card' } & Card)
  | { readonly type: 'carousel'; readonly text?: string; readonly cards: readonly Card[] }
  | { readonly type: 'contact'; readonly name: string; readonly identifiers: readonly IdentifierKey[] }
  | {
      readonly type: 'template'
      readonly name: string
      readonly language: string
      readonly parameters: readonly string[]
      readonly text: string
    }
  | { readonly type: 'unsupported'; readonly note: string }

/** A message of the network: its id and the thread it stands in. */
export type Ref = { readonly externalId: string; readonly thread: ThreadRef }

export type ReceiptStatus = 'sent' | 'delivered' | 'read' | 'failed'

/**
 * One thing that happened on a network. `id` is the dedupe key: unique within the channel instance, the same at every
 * redelivery. `target` is the network's id of the message meant. Ids are at most 512 characters.
 */
export type InboundEvent = {
  readonly id: string
  /** When it happened by the network's clock. */
  readonly at: Date | number
} & (
  | {
      readonly type: 'message'
      readonly thread: Thread
      readonly sender: Sender
      readonly text?: string
      readonly parts?: readonly Part[]
      /** Network id of this message where it differs from `id`; edits, receipts and replies point at it. */
      readonly messageId?: string
      /** Network id(s) of the message(s) this answers or quotes, best first. */
      readonly replyTo?: string | readonly string[]
      /** A token this engine put into an earlier part (`OutboundPart.replyToken`), found again in the answer. */
      readonly replyToken?: string
      readonly subject?: string
      /** Messages sent together (the pictures of an album) share it; each is a message of its own. */
      readonly album?: string
      /** Our own or another client's outgoing message, reported back by the network. */
      readonly echo?: boolean
      /** An automatic answer (out of office, vacation, list mail): kept, but starts no clock and reopens nothing. */
      readonly automatic?: boolean
    }
  | { readonly type: 'edit'; readonly thread: Thread; readonly target: string; readonly text?: string }
  | { readonly type: 'delete'; readonly thread: Thread; readonly target: string }
  | {
      readonly type: 'reaction'
      readonly thread: Thread
      readonly target: string
      readonly emoji: string | null
      readonly sender: Sender
    }
  | {
      readonly type: 'receipt'
      readonly target: string
      readonly status: ReceiptStatus
      /** Read up to here: the target and everything sent earlier on the thread. Needs `thread`. */
      readonly watermark?: boolean
      readonly thread?: Thread
      readonly error?: ErrorInfo
    }
  | {
      readonly type: 'action'
      readonly thread: Thread
      readonly sender: Sender
      readonly value: string
      readonly label?: string
      readonly target?: string
    }
  | { readonly type: 'typing'; readonly thread: Thread; readonly sender: Sender; readonly on?: boolean }
  | { readonly type: 'read'; readonly thread: Thread; readonly sender: Sender; readonly target?: string }
  | { readonly type: 'consent'; readonly sender: Sender; readonly granted: boolean }
  | { readonly type: 'profile'; readonly sender: Sender }
  | { readonly type: 'unknown'; readonly note: string; readonly thread?: Thread }
)

export type ErrorInfo = { readonly code: string; readonly message?: string }
