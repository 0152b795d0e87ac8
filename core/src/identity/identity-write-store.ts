import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Suggestion } from './contract.js'
import { suggestionColumns } from './identity-read-store.js'

/** Locks contacts in id order and says which were joined elsewhere. */
export async function lockContactRows(
  trx: Transaction<Tables>,
  ids: readonly string[],
): Promise<Map<string, { readonly joinedInto: string | null; readonly version: number }>> {
  const { rows } = await sql<{ id: string; joinedInto: string | null; version: number }>`
    select id, joined_into as "joinedInto", version from contact where id = any(${ids}::uuid[])
    order by id for no key update`.execute(trx)
  return new Map(rows.map((row) => [row.id, row]))
}

export async function readSuggestion(trx: Transaction<Tables>, id: string): Promise<Suggestion | null> {
  const { rows } = await sql<Suggestion>`
    select ${suggestionColumns} from identity_suggestion s where s.id = ${id}::uuid`.execute(trx)
  return rows[0] ?? null
}

/** Lock: the suggestion, after the contacts. Answers false where somebody has decided it already. */
export async function decideSuggestion(
  trx: Transaction<Tables>,
  id: string,
  state: 'confirmed' | 'rejected',
  by: string | null,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update identity_suggestion set state = ${state}, decided_at = now(), decided_by = ${by}
    where id = ${id}::uuid and state = 'open'`.execute(trx)
  return numAffectedRows === 1n
}

/** Lock: the contact's row, held by the caller. */
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

/** What a contact is known by has changed: readers that compare versions see it. */
export async function touchContact(trx: Transaction<Tables>, id: string): Promise<void> {
  await sql`update contact set version = version + 1 where id = ${id}::uuid`.execute(trx)
}

/** Who holds this identifier verified, if anybody. */
export async function holderOf(trx: Transaction<Tables>, kind: string, value: string): Promise<string | null> {
  const { rows } = await sql<{ contact: string }>`
    select contact_id as contact from identifier
    where kind = ${kind} and value = ${value} and assurance = 'verified' and resolves`.execute(trx)
  return rows[0]?.contact ?? null
}

/** Never a sender key: without it the next message of the same sender would make a second contact. */
export async function deleteIdentifier(trx: Transaction<Tables>, contact: string, id: string): Promise<string | null> {
  const { rows } = await sql<{ kind: string }>`
    delete from identifier where id = ${id}::uuid and contact_id = ${contact}::uuid and kind not like 'sender:%'
    returning kind`.execute(trx)
  return rows[0]?.kind ?? null
}
