import type { Assurance, IdentifierKey, Sender } from './content.js'
import type { Lifecycle } from './define.js'

/** An identifier in its normal form, with the evidence for it. */
export type Match = {
  readonly identifier: IdentifierKey
  readonly assurance: Assurance
  /** 0…1; feeds suggestions only. */
  readonly confidence: number
  /** One sentence, shown to agents: `WhatsApp vouches for the number`. */
  readonly evidence: string
}

export type IdentityQuery = {
  readonly channel: string
  readonly sender: Sender
  /** What the message itself offers: claimed e-mail or phone typed into a form. */
  readonly hints: Readonly<Record<string, string>>
}

export type VerifiedClaim = { readonly identifiers: readonly IdentifierKey[]; readonly expiresAt: number }

/**
 * Proposes, never joins: the core decides from verified identifiers and policy. An answer may not raise a claimed
 * identifier to verified; the core takes the lower of the channel's and the plugin's assurance.
 */
export interface Identity extends Lifecycle {
  /**
   * Normal forms of what a sender shows. Called for whole batches before the drain's transaction. A synchronous answer is
   * taken as it is; an asynchronous one is awaited at most 500 ms, then the identifiers count as the channel gave them.
   */
  resolve(query: IdentityQuery, signal: AbortSignal): readonly Match[] | Promise<readonly Match[]>
  verify?(claim: {
    readonly kind: string
    readonly value: string
    readonly audience: string
  }): Promise<VerifiedClaim | null>
  /** Erasure: forget what you keep about these. Must be repeatable. */
  forget?(identifiers: readonly IdentifierKey[]): Promise<void>
}
