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
        or c.id in (select i.contact_id from identifier i where i.value ilike ${like}))
    order by c.id desc limit ${filter.limit}`.execute(db)
  return rows
}

export const suggestionColumns = sql.raw(
  's.id, s.contact_a as "contactA", s.contact_b as "contactB", s.kind, s.value, s.confidence, s.evidence, s.state',
)

/** Open ones between contacts that still stand on their own. */
export async function listSuggestions(db: Db, contact: string | null): Promise<Suggestion[]> {
  const { rows } = await sql<Suggestion>`
    select ${suggestionColumns} from identity_suggestion s
    join contact a on a.id = s.contact_a and a.joined_into is null
    join contact b on b.id = s.contact_b and b.joined_into is null
    where s.state = 'open' and (${contact}::uuid is null or ${contact}::uuid in (s.contact_a, s.contact_b))
    order by s.at desc, s.id desc limit 200`.execute(db)
  return rows
}
