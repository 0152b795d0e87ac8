import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { ContactView, Suggestion } from './contract.js'

type Db = Kysely<Tables> | Transaction<Tables>

const columns = sql.raw(`
  c.id, c.name, c.language, c.time_zone as "timeZone", c.tier, c.attributes, c.joined_into as "joinedInto", c.version,
  c.created_at as "createdAt",
  coalesce((select json_agg(json_build_object('id', i.id, 'kind', i.kind, 'value', i.value, 'assurance', i.assurance,
      'evidence', i.evidence) order by i.created_at, i.id)
    from identifier i where i.contact_id = c.id), '[]') as identifiers`)

export async function findContact(db: Db, id: string): Promise<ContactView | null> {
  const { rows } = await sql<ContactView>`select ${columns} from contact c where c.id = ${id}::uuid`.execute(db)
  return rows[0] ?? null
}

/** Search by the beginning of a name or of an identifier; keyset over id, which is in the order of creation. */
export async function listContacts(
  db: Db,
  filter: { readonly query: string | null; readonly before: string | null; readonly limit: number },
): Promise<ContactView[]> {
  const like = filter.query === null ? null : `${filter.query.replaceAll(/[\\%_]/g, (char) => `\\${char}`)}%`
  const { rows } = await sql<ContactView>`
    select ${columns} from contact c
    where c.joined_into is null and (${filter.before}::uuid is null or c.id < ${filter.before}::uuid)
      and (${like}::text is null or c.name ilike ${like}
        or exists (select 1 from identifier i where i.contact_id = c.id and i.value ilike ${like}))
    order by c.id desc limit ${filter.limit}`.execute(db)
  return rows
}

const suggestion = sql.raw(
  's.id, s.contact_a as "contactA", s.contact_b as "contactB", s.kind, s.value, s.confidence, s.evidence, s.state',
)

export async function listSuggestions(db: Db, contact: string | null): Promise<Suggestion[]> {
  const { rows } = await sql<Suggestion>`
    select ${suggestion} from identity_suggestion s
    where s.state = 'open' and (${contact}::uuid is null or ${contact}::uuid in (s.contact_a, s.contact_b))
    order by s.at desc limit 200`.execute(db)
  return rows
}

export async function lockSuggestion(trx: Transaction<Tables>, id: string): Promise<Suggestion | null> {
  const { rows } = await sql<Suggestion>`
    select ${suggestion} from identity_suggestion s where s.id = ${id}::uuid for update`.execute(trx)
  return rows[0] ?? null
}

export async function decideSuggestion(
  trx: Transaction<Tables>,
  id: string,
  state: string,
  by: string | null,
): Promise<void> {
  await sql`
    update identity_suggestion set state = ${state}, decided_at = now(), decided_by = ${by} where id = ${id}::uuid`.execute(
    trx,
  )
}

/** Locks contacts in id order and says which were joined elsewhere. */
export async function lockForJoin(
  trx: Transaction<Tables>,
  ids: readonly string[],
): Promise<Map<string, { readonly joinedInto: string | null; readonly version: number }>> {
  const { rows } = await sql<{ id: string; joinedInto: string | null; version: number }>`
    select id, joined_into as "joinedInto", version from contact where id = any(${ids}::uuid[])
    order by id for no key update`.execute(trx)
  return new Map(rows.map((row) => [row.id, row]))
}

export async function updateContact(
  trx: Transaction<Tables>,
  id: string,
  to: {
    readonly name: string | null
    readonly tier: string | null
    readonly language: string | null
    readonly timeZone: string | null
    readonly attributes: string
  },
): Promise<void> {
  await sql`
    update contact set name = ${to.name}, tier = ${to.tier}, language = ${to.language}, time_zone = ${to.timeZone},
      attributes = ${to.attributes}::jsonb, version = version + 1
    where id = ${id}::uuid`.execute(trx)
}

/** Who holds this identifier verified, if anybody. */
export async function holderOf(trx: Transaction<Tables>, kind: string, value: string): Promise<string | null> {
  const { rows } = await sql<{ contact: string }>`
    select contact_id as contact from identifier
    where kind = ${kind} and value = ${value} and assurance = 'verified' and resolves`.execute(trx)
  return rows[0]?.contact ?? null
}

export async function deleteIdentifier(trx: Transaction<Tables>, contact: string, id: string): Promise<string | null> {
  const { rows } = await sql<{ kind: string }>`
    delete from identifier where id = ${id}::uuid and contact_id = ${contact}::uuid and kind not like 'sender:%'
    returning kind`.execute(trx)
  return rows[0]?.kind ?? null
}
