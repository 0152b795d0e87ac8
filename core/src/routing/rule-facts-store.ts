import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** What a contact's other conversations say; the one that is decided about does not count. */
export interface ContactHistory {
  readonly conversations_1d: number
  readonly conversations_7d: number
  readonly conversations_30d: number
  readonly open_conversations: number
  readonly last_agent: string | null
  readonly last_channel: string | null
}

interface Pair {
  readonly contact: string
  readonly conversation: string
}

/** One statement for a batch; in the pairs' order. */
export async function contactHistories(db: Kysely<Tables>, pairs: readonly Pair[]): Promise<readonly ContactHistory[]> {
  const { rows } = await sql<ContactHistory & { readonly place: number }>`
    select p.place::int as place, h.*
    from unnest(${pairs.map((one) => one.contact)}::uuid[], ${pairs.map((one) => one.conversation)}::uuid[])
      with ordinality as p(contact, conversation, place),
    lateral (
      select count(*) filter (where c.created_at > now() - interval '1 day')::int as conversations_1d,
        count(*) filter (where c.created_at > now() - interval '7 days')::int as conversations_7d,
        count(*) filter (where c.created_at > now() - interval '30 days')::int as conversations_30d,
        count(*) filter (where c.status in ('open', 'pending', 'snoozed'))::int as open_conversations,
        (array_agg(c.assignee order by c.last_message_at desc nulls last) filter (where c.assignee is not null))[1]
          as last_agent,
        (array_agg(t.channel order by c.last_message_at desc nulls last) filter (where t.id is not null))[1]
          as last_channel
      from conversation c left join touchpoint t on t.id = c.last_touchpoint
      where c.contact_id = p.contact and c.id <> p.conversation and c.status <> 'joined'
    ) h`.execute(db)
  const byPlace = new Map(rows.map(({ place, ...history }) => [place, history]))
  return pairs.map((_, index) => byPlace.get(index + 1) ?? NONE)
}

const NONE: ContactHistory = Object.freeze({
  conversations_1d: 0,
  conversations_7d: 0,
  conversations_30d: 0,
  open_conversations: 0,
  last_agent: null,
  last_channel: null,
})

export interface KnownAgent {
  readonly id: string
  readonly teams: readonly string[]
  readonly skills: Readonly<Record<string, number>>
  readonly languages: Readonly<Record<string, string>>
}

export async function knownAgents(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, KnownAgent>> {
  if (ids.length === 0) return new Map()
  const { rows } = await sql<KnownAgent>`
    select id, teams, skills, languages from agent where id = any(${ids}::text[]) and disabled_at is null`.execute(db)
  return new Map(rows.map((row) => [row.id, row]))
}

export interface KnownIdentifier {
  readonly kind: string
  readonly value: string
  readonly assurance: 'verified' | 'claimed'
}

/** Of these contacts, by contact. */
export async function identifiersOf(
  db: Kysely<Tables>,
  contacts: readonly string[],
): Promise<ReadonlyMap<string, readonly KnownIdentifier[]>> {
  const { rows } = await sql<KnownIdentifier & { readonly contact: string }>`
    select contact_id as contact, kind, value, assurance from identifier where contact_id = any(${contacts}::uuid[])
    order by contact_id, kind, value, assurance`.execute(db)
  const found = new Map<string, KnownIdentifier[]>()
  for (const { contact, ...identifier } of rows) found.set(contact, [...(found.get(contact) ?? []), identifier])
  return found
}
