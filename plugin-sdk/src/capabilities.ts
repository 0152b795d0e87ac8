import type { MediaKind } from './content.js'

/** full: native · partial: native with losses · fallback: the core degrades it · reject: refused. Undeclared = fallback. */
export type Support = 'full' | 'partial' | 'fallback' | 'reject'

export type TextUnit = 'utf16' | 'codepoint' | 'byte' | 'gsm7'

/** What a channel can carry. Static, or a function of the thread. The planner fits every part to it before `send`. */
export type Capabilities = {
  readonly text: {
    readonly maxLength: number
    /** What `maxLength` counts. Default utf16. */
    readonly unit?: TextUnit
    readonly format: 'plain' | 'markdown' | 'html' | { readonly custom: string }
  }
  readonly media?: {
    readonly [K in MediaKind]?: {
      readonly mime: readonly string[]
      readonly maxBytes: number
      /** Characters of a caption; absent = none. */
      readonly caption?: number
      readonly by: 'url' | 'bytes' | 'either'
    }
  }
  readonly choices?: {
    readonly max: number
    readonly maxLabel: number
    readonly url?: boolean
    readonly maxText?: number
  }
  readonly location?: Support
  readonly card?: Support
  readonly carousel?: Support | { readonly maxCards: number }
  readonly contact?: Support
  readonly template?: Support
  readonly replyTo?: Support
  readonly thread?: Support
  readonly edit?: Support | { readonly maxAgeMs: number }
  readonly remove?: Support
  readonly react?: Support | { readonly allowed: readonly string[] }
  readonly typing?: boolean
  readonly receipts: 'none' | 'sent' | 'delivered' | 'read'
  /** The network drops a repeated `idempotencyKey`: an uncertain send may be tried again. */
  readonly idempotentSend?: boolean
  readonly ordered?: boolean
  readonly proactive?: 'always' | 'never' | { readonly windowMs: number; readonly after: 'template' | 'never' }
  readonly rate?: { readonly perSecond?: number; readonly perThread?: number; readonly burst?: number }
}
