import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** What a contact's row holds itself, as the survivor had it before the join. */
export interface Profile {
  readonly name: string | null
  readonly language: string | null
  readonly time_zone: string | null
  readonly tier: string | null
  readonly account_manager: string | null
  readonly consent: boolean | null
  readonly attributes: Readonly<Record<string, unknown>>
}

/** An identifier that both sides had: it stays with `from`, dormant, while the survivor's twin answers for the value. */
export interface Double {
  readonly id: string
  readonly resolves: boolean
  readonly twin: string
  readonly twinResolves: boolean
}

/** What a join moved, so that its undo restores both sides. Ids, and the few values it changed. */
export interface Moved {
  readonly identifiers: readonly string[]
  readonly doubles: readonly Double[]
  readonly conversations: readonly string[]
  readonly touchpoints: readonly string[]
  readonly suggestions: {
    readonly moved: readonly { readonly id: string; readonly a: string; readonly b: string }[]
    /** Open ones between the two: the join answers them. */
    readonly closed: readonly string[]
  }
  readonly before: Profile
}

const idsOf = (rows: readonly { readonly id: string }[]): string[] => rows.map((row) => row.id)

/**
 * Both contact rows are locked by the caller, in id order; their conversations are locked here, in id order. Set-based: the
 * statements do not grow with what is moved.
 */
export async function moveToContact(
  trx: Transaction<Tables>,
  join: { readonly from: string; readonly into: string; readonly by: string | null },
): Promise<Moved> {
  const { from, into } = join
  const before = await profileOf(trx, into)
  await sql`
    select id from conversation where contact_id = ${from}::uuid order by id for no key update`.execute(trx)
  const doubles = await sidelineDoubles(trx, from, into)
  const identifiers = await sql<{ id: string }>`
    update identifier set contact_id = ${into}::uuid
    where contact_id = ${from}::uuid and id <> all(${idsOf(doubles)}::uuid[]) returning id`.execute(trx)
  const conversations = await sql<{ id: string }>`
    update conversation set contact_id = ${into}::uuid, version = version + 1
    where contact_id = ${from}::uuid returning id`.execute(trx)
  const touchpoints = await sql<{ id: string }>`
    update touchpoint set contact_id = ${into}::uuid
    where contact_id = ${from}::uuid and conversation_id = any(${idsOf(conversations.rows)}::uuid[]) returning id`.execute(
    trx,
  )
  const suggestions = await moveSuggestions(trx, join)
  await mergeProfile(trx, from, into)
  return {
    identifiers: idsOf(identifiers.rows),
    doubles,
    conversations: idsOf(conversations.rows),
    touchpoints: idsOf(touchpoints.rows),
    suggestions,
    before,
  }
}

async function profileOf(trx: Transaction<Tables>, contact: string): Promise<Profile> {
  const { rows } = await sql<Profile>`
    select name, language, time_zone, tier, account_manager, consent, attributes
    from contact where id = ${contact}::uuid`.execute(trx)
  const row = rows[0]
  if (row === undefined) throw new Error('the surviving contact of a join has no row although it is locked')
  return row
}

/** Uniqueness: identifier_contact forbids the second of a pair, identifier_resolves that both of them resolve. */
async function sidelineDoubles(trx: Transaction<Tables>, from: string, into: string): Promise<readonly Double[]> {
  const { rows } = await sql<Double>`
    select i.id, i.resolves, o.id as twin, o.resolves as "twinResolves"
    from identifier i join identifier o on o.contact_id = ${into}::uuid and o.kind = i.kind and o.value = i.value
      and o.assurance = i.assurance
    where i.contact_id = ${from}::uuid order by i.id`.execute(trx)
  if (rows.length === 0) return rows
  await sql`update identifier set resolves = false where id = any(${idsOf(rows)}::uuid[])`.execute(trx)
  await sql`
    update identifier set resolves = true
    where id = any(${rows.filter((row) => row.resolves).map((row) => row.twin)}::uuid[])`.execute(trx)
  return rows
}

/**
 * Suggestions about `from` are about the survivor now; where it has the same one already, the old one stays, hidden with its
 * contact. Uniqueness: identity_suggestion_once, over the pair in order.
 */
async function moveSuggestions(
  trx: Transaction<Tables>,
  { from, into, by }: { readonly from: string; readonly into: string; readonly by: string | null },
): Promise<Moved['suggestions']> {
  const closed = await sql<{ id: string }>`
    update identity_suggestion set state = 'confirmed', decided_at = now(), decided_by = ${by}
    where state = 'open' and contact_a = least(${from}::uuid, ${into}::uuid)
      and contact_b = greatest(${from}::uuid, ${into}::uuid)
    returning id`.execute(trx)
  const moved = await sql<{ id: string; a: string; b: string }>`
    with mine as (
      select s.id, s.contact_a as a, s.contact_b as b, s.kind, s.value,
        case when s.contact_a = ${from}::uuid then s.contact_b else s.contact_a end as other
      from identity_suggestion s
      where ${from}::uuid in (s.contact_a, s.contact_b) and ${into}::uuid not in (s.contact_a, s.contact_b)
    )
    update identity_suggestion s
    set contact_a = least(m.other, ${into}::uuid), contact_b = greatest(m.other, ${into}::uuid)
    from mine m
    where s.id = m.id and not exists (
      select 1 from identity_suggestion o where o.contact_a = least(m.other, ${into}::uuid)
        and o.contact_b = greatest(m.other, ${into}::uuid) and o.kind = m.kind and o.value = m.value)
    returning s.id, m.a, m.b`.execute(trx)
  return { moved: moved.rows, closed: idsOf(closed.rows) }
}

/** The survivor's own word stands, gaps are filled; a refusal of consent by either side is a refusal. */
async function mergeProfile(trx: Transaction<Tables>, from: string, into: string): Promise<void> {
  await sql`
    update contact t set name = coalesce(t.name, f.name), language = coalesce(t.language, f.language),
      time_zone = coalesce(t.time_zone, f.time_zone), tier = coalesce(t.tier, f.tier),
      account_manager = coalesce(t.account_manager, f.account_manager), attributes = f.attributes || t.attributes,
      consent = case when t.consent = false or f.consent = false then false else coalesce(t.consent, f.consent) end,
      version = t.version + 1
    from contact f where t.id = ${into}::uuid and f.id = ${from}::uuid`.execute(trx)
  await sql`
    update contact set joined_into = ${into}::uuid, version = version + 1 where id = ${from}::uuid`.execute(trx)
}

export async function recordJoin(
  trx: Transaction<Tables>,
  row: {
    readonly id: string
    readonly from: string
    readonly into: string
    readonly evidence: string
    readonly actorKind: string
    readonly actorId: string | null
    readonly moved: Moved
  },
): Promise<void> {
  await sql`
    insert into contact_join (id, from_contact, into_contact, evidence, actor_kind, actor_id, moved)
    values (${row.id}::uuid, ${row.from}::uuid, ${row.into}::uuid, ${row.evidence}, ${row.actorKind}, ${row.actorId},
      ${JSON.stringify(row.moved)}::jsonb)`.execute(trx)
}
