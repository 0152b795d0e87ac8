import type { Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** A contact as REST, the socket and rule facts show it. */
export interface ContactView {
  readonly id: string
  readonly name: string | null
  readonly language: string | null
  readonly timeZone: string | null
  readonly tier: string | null
  readonly attributes: Readonly<Record<string, unknown>>
  readonly identifiers: readonly {
    readonly id: string
    readonly kind: string
    readonly value: string
    readonly assurance: 'verified' | 'claimed'
    readonly evidence: string
  }[]
  readonly joinedInto: string | null
  readonly version: number
  readonly createdAt: Date
}

export interface Suggestion {
  readonly id: string
  readonly contactA: string
  readonly contactB: string
  readonly kind: string
  readonly value: string
  readonly confidence: number
  readonly evidence: string
  readonly state: 'open' | 'confirmed' | 'rejected'
}

/** Runs inside the transaction of an act, after its effect: for the stored result of a command. */
export type Within = (trx: Transaction<Tables>, result?: unknown) => Promise<void>

export type Actor = { readonly kind: 'customer' | 'agent' | 'bot' | 'system' | 'plugin'; readonly id: string | null }

/** Joins and splits of contacts; every act is a record with evidence, an event, and can be undone. */
export interface IdentityService {
  contact(id: string): Promise<ContactView | null>
  contacts(filter: {
    readonly query?: string
    readonly limit: number
    readonly cursor?: string
  }): Promise<{ readonly items: readonly ContactView[]; readonly next: string | null }>
  suggestions(contact?: string): Promise<readonly Suggestion[]>
  /** Joins `from` into `into`. Both rows are locked in id order. Answers the record's id, the key to the undo. */
  join(
    from: string,
    into: string,
    actor: Actor,
    evidence: string,
    within?: Within,
  ): Promise<{ readonly joinId: string }>
  /** Undoes a join: identifiers, conversations and touchpoints go back to where they were. */
  undo(joinId: string, actor: Actor, within?: Within): Promise<void>
  confirm(suggestionId: string, actor: Actor, within?: Within): Promise<{ readonly joinId: string }>
  reject(suggestionId: string, actor: Actor, within?: Within): Promise<void>
  update(
    id: string,
    patch: {
      readonly name?: string
      readonly tier?: string | null
      readonly language?: string | null
      readonly timeZone?: string | null
      readonly attributes?: Readonly<Record<string, unknown>>
    },
    actor: Actor,
    ifVersion?: number,
  ): Promise<ContactView>
  /** Adds an identifier an agent learned; claimed unless the agent's role may verify. */
  link(
    contact: string,
    identifier: { readonly kind: string; readonly value: string; readonly assurance: 'verified' | 'claimed' },
    actor: Actor,
    within?: Within,
  ): Promise<void>
  unlink(contact: string, identifierId: string, actor: Actor, within?: Within): Promise<void>
}
