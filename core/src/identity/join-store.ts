import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/** What a join moved, so that its undo restores both sides. Ids only. */
export interface Moved {
  readonly identifiers: readonly string[]
  /** Rows `into` had already; they stay with `from`, dormant, and wake up with the undo. */
  readonly doubles: readonly string[]
  readonly conversations: readonly string[]
  readonly touchpoints: readonly string[]
}

/** Both contact rows are locked by the caller, in id order. Set-based; uniqueness by identifier_contact. */
export async function moveToContact(trx: Transaction<Tables>, from: string, into: string): Promise<Moved> {
  const doubles = await sql<{ id: string }>`
    update identifier i set resolves = false
    where i.contact_id = ${from}::uuid and exists (
      select 1 from identifier o where o.contact_id = ${into}::uuid and o.kind = i.kind and o.value = i.value
        and o.assurance = i.assurance)
    returning i.id`.execute(trx)
  const identifiers = await sql<{ id: string }>`
    update identifier set contact_id = ${into}::uuid
    where contact_id = ${from}::uuid and id <> all(${doubles.rows.map((row) => row.id)}::uuid[]) returning id`.execute(
    trx,
  )
  const conversations = await sql<{ id: string }>`
    update conversation set contact_id = ${into}::uuid, version = version + 1
    where contact_id = ${from}::uuid returning id`.execute(trx)
  const touchpoints = await sql<{ id: string }>`
    update touchpoint set contact_id = ${into}::uuid where contact_id = ${from}::uuid returning id`.execute(trx)
  await sql`
    update contact set joined_into = ${into}::uuid, version = version + 1 where id = ${from}::uuid`.execute(trx)
  await sql`
    update contact t set name = coalesce(t.name, f.name), language = coalesce(t.language, f.language),
      time_zone = coalesce(t.time_zone, f.time_zone), tier = coalesce(t.tier, f.tier),
      account_manager = coalesce(t.account_manager, f.account_manager), version = t.version + 1
    from contact f where t.id = ${into}::uuid and f.id = ${from}::uuid`.execute(trx)
  const ids = (rows: readonly { id: string }[]) => rows.map((row) => row.id)
  return {
    identifiers: ids(identifiers.rows),
    doubles: ids(doubles.rows),
    conversations: ids(conversations.rows),
    touchpoints: ids(touchpoints.rows),
  }
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
    readonly moved: Moved & { readonly before: unknown }
  },
): Promise<void> {
  await sql`
    insert into contact_join (id, from_contact, into_contact, evidence, actor_kind, actor_id, moved)
    values (${row.id}::uuid, ${row.from}::uuid, ${row.into}::uuid, ${row.evidence}, ${row.actorKind}, ${row.actorId},
      ${JSON.stringify(row.moved)}::jsonb)`.execute(trx)
}

/** The survivor's profile as it was, for the undo. */
export async function profileOf(trx: Transaction<Tables>, contact: string): Promise<unknown> {
  const { rows } = await sql<{ profile: unknown }>`
    select json_build_object('name', name, 'language', language, 'time_zone', time_zone, 'tier', tier,
      'account_manager', account_manager) as profile
    from contact where id = ${contact}::uuid`.execute(trx)
  return rows[0]?.profile ?? null
}

export interface JoinRow {
  readonly id: string
  readonly from: string
  readonly into: string
  readonly moved: Moved & { readonly before: Readonly<Record<string, string | null>> | null }
  readonly undone: boolean
}

export async function lockJoin(trx: Transaction<Tables>, id: string): Promise<JoinRow | null> {
  const { rows } = await sql<JoinRow>`
    select id, from_contact as "from", into_contact as "into", moved, undone_at is not null as undone
    from contact_join where id = ${id}::uuid for update`.execute(trx)
  return rows[0] ?? null
}

/** A later join of the survivor must be undone first: what it moved on is no longer here. */
export async function laterJoin(trx: Transaction<Tables>, join: JoinRow): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    select j.id from contact_join j, contact_join mine
    where mine.id = ${join.id}::uuid and j.undone_at is null and j.from_contact = mine.into_contact and j.at >= mine.at
      and j.id <> mine.id
    order by j.at desc limit 1`.execute(trx)
  return rows[0]?.id ?? null
}

/** Gives back what the join moved and is still with the survivor; what came later stays there. */
export async function moveBack(trx: Transaction<Tables>, join: JoinRow, by: string | null): Promise<void> {
  const { moved, from, into } = join
  await sql`update identifier set contact_id = ${from}::uuid
    where id = any(${moved.identifiers}::uuid[]) and contact_id = ${into}::uuid`.execute(trx)
  // A double that resolved before may do so again only if nobody else answers for the value: that is the survivor.
  await sql`update conversation set contact_id = ${from}::uuid, version = version + 1
    where id = any(${moved.conversations}::uuid[]) and contact_id = ${into}::uuid`.execute(trx)
  await sql`update touchpoint set contact_id = ${from}::uuid
    where id = any(${moved.touchpoints}::uuid[]) and contact_id = ${into}::uuid`.execute(trx)
  await sql`update contact set joined_into = null, version = version + 1 where id = ${from}::uuid`.execute(trx)
  if (moved.before !== null) {
    const { before } = moved
    await sql`
      update contact t set version = t.version + 1,
        name = case when t.name is not distinct from f.name then ${before['name']} else t.name end,
        language = case when t.language is not distinct from f.language then ${before['language']} else t.language end,
        time_zone = case when t.time_zone is not distinct from f.time_zone then ${before['time_zone']} else t.time_zone end,
        tier = case when t.tier is not distinct from f.tier then ${before['tier']} else t.tier end,
        account_manager = case when t.account_manager is not distinct from f.account_manager
          then ${before['account_manager']} else t.account_manager end
      from contact f where t.id = ${into}::uuid and f.id = ${from}::uuid`.execute(trx)
  }
  await sql`update contact_join set undone_at = now(), undone_by = ${by} where id = ${join.id}::uuid`.execute(trx)
}
