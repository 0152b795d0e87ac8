import { sql, type Transaction } from 'kysely'
import { retellConversations } from '../store/conversation-summary.js'
import type { Tables } from '../store/tables.js'
import type { Moved } from './join-store.js'

export interface JoinRow {
  readonly id: string
  readonly from: string
  readonly into: string
  readonly moved: Moved
  readonly undone: boolean
}

/** Lock: the record, before the contacts; nothing else locks one. */
export async function lockJoin(trx: Transaction<Tables>, id: string): Promise<JoinRow | null> {
  const { rows } = await sql<JoinRow>`
    select id, from_contact as "from", into_contact as "into", moved, undone_at is not null as undone
    from contact_join where id = ${id}::uuid for update`.execute(trx)
  return rows[0] ?? null
}

/** The join that took the survivor itself further; the caller holds the survivor's lock. */
export async function joinOf(trx: Transaction<Tables>, contact: string): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    select id from contact_join where from_contact = ${contact}::uuid and undone_at is null order by at desc limit 1`.execute(
    trx,
  )
  return rows[0]?.id ?? null
}

/** A conversation whose touchpoints belong to both sides by now: these of them go to `contact`. */
export interface Torn {
  readonly conversation: string
  readonly contact: string
  readonly touchpoints: readonly string[]
}

/**
 * Conversations in which both sides have written since: touchpoints that came later into one that goes back (they stay with
 * the survivor), and touchpoints that go back but stand in one of the survivor's. Locks what it reads, in id order.
 */
export async function findTorn(trx: Transaction<Tables>, { moved, from, into }: JoinRow): Promise<readonly Torn[]> {
  await sql`
    select id from conversation where contact_id = ${into}::uuid order by id for no key update`.execute(trx)
  const { rows } = await sql<Torn>`
    select t.conversation_id as conversation, x.contact, array_agg(t.id order by t.id) as touchpoints
    from touchpoint t join conversation c on c.id = t.conversation_id and c.contact_id = ${into}::uuid
    cross join lateral (select case when t.id = any(${moved.touchpoints}::uuid[]) then ${from}::uuid else ${into}::uuid end
      as contact) x
    where (t.id = any(${moved.touchpoints}::uuid[])) <> (c.id = any(${moved.conversations}::uuid[]))
    group by 1, 2 order by 1`.execute(trx)
  return rows
}

/**
 * Takes touchpoints with their messages out of a conversation into a new one, so that nobody gets the other's
 * words. Retold are both, from the messages they have now.
 */
export async function tearOff(trx: Transaction<Tables>, id: string, torn: Torn): Promise<void> {
  const { conversation, contact, touchpoints } = torn
  await sql`
    insert into conversation (id, contact_id, status, subject, priority, queue, language, waiting_since, snoozed_until,
      resolved_at, related_to)
    select ${id}::uuid, ${contact}::uuid, status, subject, priority, queue, language, waiting_since, snoozed_until,
      resolved_at, id
    from conversation where id = ${conversation}::uuid`.execute(trx)
  await sql`
    update touchpoint set conversation_id = ${id}::uuid, contact_id = ${contact}::uuid
    where id = any(${touchpoints}::uuid[])`.execute(trx)
  await sql`
    update message set conversation_id = ${id}::uuid
    where conversation_id = ${conversation}::uuid and touchpoint_id = any(${touchpoints}::uuid[])`.execute(trx)
  await sql`
    update send s set conversation_id = ${id}::uuid from message m
    where m.conversation_id = ${id}::uuid and s.message_id = m.id`.execute(trx)
  await retellConversations(trx, [id, conversation])
}

/** Conversations that go back and were joined into one that stays: they lead to where their messages are now. */
export async function redirectJoined(
  trx: Transaction<Tables>,
  join: JoinRow,
  to: { readonly old: string; readonly now: string },
): Promise<void> {
  await sql`
    update conversation set joined_into = ${to.now}::uuid, version = version + 1
    where id = any(${join.moved.conversations}::uuid[]) and joined_into = ${to.old}::uuid`.execute(trx)
}

/** Gives back what the join moved and is still with the survivor; what came later stays there. */
export async function moveBack(trx: Transaction<Tables>, join: JoinRow, by: string | null): Promise<void> {
  const { moved, from, into } = join
  await sql`update identifier set contact_id = ${from}::uuid
    where id = any(${moved.identifiers}::uuid[]) and contact_id = ${into}::uuid`.execute(trx)
  await wakeDoubles(trx, moved)
  await sql`update conversation set contact_id = ${from}::uuid, version = version + 1
    where id = any(${moved.conversations}::uuid[]) and contact_id = ${into}::uuid`.execute(trx)
  await sql`update touchpoint set contact_id = ${from}::uuid
    where id = any(${moved.touchpoints}::uuid[]) and contact_id = ${into}::uuid`.execute(trx)
  await giveSuggestionsBack(trx, moved)
  await unmergeProfile(trx, join)
  await sql`update contact_join set undone_at = now(), undone_by = ${by} where id = ${join.id}::uuid`.execute(trx)
}

/** A double answers for its value again if it did before, unless somebody else has it by now. */
async function wakeDoubles(trx: Transaction<Tables>, moved: Moved): Promise<void> {
  const dormant = moved.doubles.filter((double) => double.resolves)
  if (dormant.length === 0) return
  await sql`
    update identifier set resolves = false
    where id = any(${dormant.filter((double) => !double.twinResolves).map((double) => double.twin)}::uuid[])`.execute(
    trx,
  )
  await sql`
    update identifier i set resolves = true
    where i.id = any(${dormant.map((double) => double.id)}::uuid[]) and not exists (
      select 1 from identifier o where o.kind = i.kind and o.value = i.value and o.assurance = i.assurance and o.resolves)`.execute(
    trx,
  )
}

async function giveSuggestionsBack(trx: Transaction<Tables>, moved: Moved): Promise<void> {
  const rows = moved.suggestions.moved
  await sql`
    update identity_suggestion s set contact_a = x.a, contact_b = x.b
    from unnest(${rows.map((row) => row.id)}::uuid[], ${rows.map((row) => row.a)}::uuid[], ${rows.map((row) => row.b)}::uuid[])
      as x(id, a, b)
    where s.id = x.id and not exists (
      select 1 from identity_suggestion o
      where o.contact_a = x.a and o.contact_b = x.b and o.kind = s.kind and o.value = s.value)`.execute(trx)
  await sql`
    update identity_suggestion set state = 'open', decided_at = null, decided_by = null
    where id = any(${moved.suggestions.closed}::uuid[])`.execute(trx)
}

/** Only what the join filled in and nobody has changed since; the rest is the survivor's own. */
async function unmergeProfile(trx: Transaction<Tables>, { moved: { before }, from, into }: JoinRow): Promise<void> {
  await sql`
    update contact t set version = t.version + 1,
      name = case when ${before.name}::text is null and t.name = f.name then null else t.name end,
      language = case when ${before.language}::text is null and t.language = f.language then null else t.language end,
      time_zone = case when ${before.time_zone}::text is null and t.time_zone = f.time_zone then null else t.time_zone end,
      tier = case when ${before.tier}::text is null and t.tier = f.tier then null else t.tier end,
      account_manager = case when ${before.account_manager}::text is null and t.account_manager = f.account_manager
        then null else t.account_manager end,
      consent = case when t.consent is not distinct from f.consent then ${before.consent}::boolean else t.consent end,
      attributes = t.attributes - array(
        select a.key from jsonb_each(f.attributes) a
        where not (${JSON.stringify(before.attributes)}::jsonb ? a.key) and t.attributes -> a.key = a.value)
    from contact f where t.id = ${into}::uuid and f.id = ${from}::uuid`.execute(trx)
  await sql`update contact set joined_into = null, version = version + 1 where id = ${from}::uuid`.execute(trx)
}
