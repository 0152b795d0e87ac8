import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Key } from './keys.js'

/** A contact as a batch works with it; its row is locked. */
export interface LockedContact {
  readonly id: string
  readonly name: string | null
  readonly language: string | null
  readonly timeZone: string | null
  readonly tier: string | null
  readonly attributes: Readonly<Record<string, unknown>>
  readonly accountManager: string | null
  readonly createdAt: Date
}

export interface FoundKey {
  readonly kind: string
  readonly value: string
  readonly assurance: 'verified' | 'claimed'
  readonly contact: string
}

/**
 * The contacts the resolving keys point at, locked in id order (the lock order of every writer: contacts, then
 * conversations) and read. A key whose contact was joined meanwhile comes with none: the caller starts again.
 */
export async function findAndLock(
  trx: Transaction<Tables>,
  keys: readonly Key[],
): Promise<readonly (FoundKey & { readonly locked: LockedContact | null })[]> {
  // One plain join: between intermediate results, whose size PostgreSQL cannot know, it would compare each with each.
  const { rows } = await sql<FoundKey & LockedContact & { readonly joined: boolean }>`
    select i.kind, i.value, i.assurance, i.contact_id as contact, c.id, c.name, c.language, c.time_zone as "timeZone",
      c.tier, c.attributes, c.account_manager as "accountManager", c.created_at as "createdAt",
      c.joined_into is not null as joined
    from unnest(${keys.map((k) => k.kind)}::text[], ${keys.map((k) => k.value)}::text[], ${keys.map((k) => k.assurance)}::text[])
      as k(kind, value, assurance)
    join identifier i on i.kind = k.kind and i.value = k.value and i.assurance = k.assurance and i.resolves
    join contact c on c.id = i.contact_id
    order by c.id for no key update of c`.execute(trx)
  return rows.map(({ kind, value, assurance, contact, joined, ...rest }) => ({
    kind,
    value,
    assurance,
    contact,
    locked: joined ? null : rest,
  }))
}

export interface NewContact {
  readonly id: string
  readonly name: string | null
  readonly language: string | null
  readonly timeZone: string | null
  readonly attributes: Readonly<Record<string, unknown>>
}

export async function insertContacts(trx: Transaction<Tables>, contacts: readonly NewContact[]): Promise<void> {
  await sql`
    insert into contact (id, name, language, time_zone, attributes)
    select * from unnest(${contacts.map((c) => c.id)}::uuid[], ${contacts.map((c) => c.name)}::text[],
      ${contacts.map((c) => c.language)}::text[], ${contacts.map((c) => c.timeZone)}::text[],
      ${contacts.map((c) => JSON.stringify(c.attributes))}::jsonb[])`.execute(trx)
}

export interface NewIdentifier extends Key {
  readonly id: string
  readonly contact: string
  readonly channel: string
}

/**
 * Uniqueness: (kind, value, assurance) where it resolves, and (contact, kind, value, assurance). Answers the ids stored: a
 * resolving one that is missing belongs to somebody else since a moment ago, and the batch must be resolved anew.
 */
export async function insertIdentifiers(
  trx: Transaction<Tables>,
  rows: readonly NewIdentifier[],
): Promise<Set<string>> {
  const { rows: stored } = await sql<{ id: string }>`
    insert into identifier (id, contact_id, kind, value, assurance, resolves, evidence, channel)
    select * from unnest(${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.contact)}::uuid[], ${rows.map((r) => r.kind)}::text[],
      ${rows.map((r) => r.value)}::text[], ${rows.map((r) => r.assurance)}::text[], ${rows.map((r) => r.resolves)}::boolean[],
      ${rows.map((r) => r.evidence)}::text[], ${rows.map((r) => r.channel)}::text[])
    on conflict do nothing returning id`.execute(trx)
  return new Set(stored.map((row) => row.id))
}

/** Identifiers of exclusive kinds the contacts hold: two people are not joined over a shared phone. */
export async function exclusiveValues(
  trx: Transaction<Tables>,
  contacts: readonly string[],
  kinds: readonly string[],
): Promise<readonly { contact: string; kind: string; value: string }[]> {
  const { rows } = await sql<{ contact: string; kind: string; value: string }>`
    select contact_id as contact, kind, value from identifier
    where contact_id = any(${contacts}::uuid[]) and kind = any(${kinds}::text[]) and assurance = 'verified'`.execute(
    trx,
  )
  return rows
}

export interface ClaimHit {
  readonly claimant: string
  readonly holder: string
  readonly kind: string
  readonly value: string
}

/**
 * One side claims what the other holds verified, whichever came first: suggestions for an agent, never joins.
 */
export async function findClaimHits(
  trx: Transaction<Tables>,
  fresh: readonly { contact: string; kind: string; value: string; assurance: string }[],
): Promise<ClaimHit[]> {
  const { rows } = await sql<ClaimHit>`
    select case when f.assurance = 'claimed' then f.contact else i.contact_id end as claimant,
      case when f.assurance = 'claimed' then i.contact_id else f.contact end as holder, i.kind, i.value
    from unnest(${fresh.map((f) => f.contact)}::uuid[], ${fresh.map((f) => f.kind)}::text[], ${fresh.map((f) => f.value)}::text[],
      ${fresh.map((f) => f.assurance)}::text[]) as f(contact, kind, value, assurance)
    join identifier i on i.kind = f.kind and i.value = f.value and i.assurance <> f.assurance and i.contact_id <> f.contact
    limit 1000`.execute(trx)
  return rows
}

/** Uniqueness: one suggestion for a pair and an identifier, whichever side claimed it. */
export async function insertSuggestions(
  trx: Transaction<Tables>,
  rows: readonly {
    id: string
    a: string
    b: string
    kind: string
    value: string
    confidence: number
    evidence: string
  }[],
): Promise<Set<string>> {
  const { rows: stored } = await sql<{ id: string }>`
    insert into identity_suggestion (id, contact_a, contact_b, kind, value, confidence, evidence)
    select * from unnest(${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.a)}::uuid[], ${rows.map((r) => r.b)}::uuid[],
      ${rows.map((r) => r.kind)}::text[], ${rows.map((r) => r.value)}::text[], ${rows.map((r) => r.confidence)}::real[],
      ${rows.map((r) => r.evidence)}::text[])
    on conflict (contact_a, contact_b, kind, value) do nothing returning id`.execute(trx)
  return new Set(stored.map((row) => row.id))
}

export async function setConsent(trx: Transaction<Tables>, contact: string, granted: boolean): Promise<void> {
  await sql`update contact set consent = ${granted}, version = version + 1 where id = ${contact}::uuid`.execute(trx)
}

/** Fills what is not known yet; what an agent or an earlier message said stays. */
export async function fillProfile(trx: Transaction<Tables>, profile: Omit<NewContact, 'attributes'>): Promise<void> {
  await sql`
    update contact set name = coalesce(name, ${profile.name}), language = coalesce(language, ${profile.language}),
      time_zone = coalesce(time_zone, ${profile.timeZone}), version = version + 1
    where id = ${profile.id}::uuid`.execute(trx)
}
