import type { Sender, SenderIdentifier } from '@throughline/plugin-sdk'

/** Who is there, as the visitor token tells. The thread is the only one this visitor may read or write. */
export type Visitor = {
  /** Anonymous 128-bit id of this browser. */
  readonly id: string
  readonly thread: string
  /** ms since the epoch. */
  readonly expiresAt: number
  /** Present when the operator's site vouched for the visitor. */
  readonly site?: SiteIdentity
}

/** What the operator's site signed. */
export type SiteIdentity = {
  readonly account: string
  readonly name?: string
  readonly email?: string
  readonly phone?: string
}

/** What somebody typed into the form of the chat: worth keeping, worth nothing as evidence. */
export type Claimed = { readonly name?: string; readonly email?: string; readonly phone?: string }

/**
 * The sender of an event. Invariant: only the site's signature makes an account, e-mail or phone verified. The device is
 * left out for a signed visitor: on a shared computer it would join two accounts over a verified identifier.
 */
export function senderOf(visitor: Visitor, claimed: Claimed = {}): Sender {
  const { site } = visitor
  const verified: SenderIdentifier[] =
    site === undefined
      ? [{ kind: 'device', value: visitor.id }]
      : [
          { kind: 'account', value: site.account },
          ...(site.email === undefined ? [] : [{ kind: 'email', value: site.email }]),
          ...(site.phone === undefined ? [] : [{ kind: 'phone', value: site.phone }]),
        ]
  const typed = (['email', 'phone'] as const).flatMap((kind): SenderIdentifier[] => {
    const value = claimed[kind]
    if (value === undefined || verified.some((known) => known.kind === kind && known.value === value)) return []
    return [{ kind, value, assurance: 'claimed' }]
  })
  const name = site?.name ?? claimed.name
  return {
    id: site === undefined ? visitor.id : visitor.thread,
    ...(name === undefined ? {} : { name }),
    identifiers: [...verified.map((known) => ({ ...known, assurance: 'verified' as const })), ...typed],
  }
}
