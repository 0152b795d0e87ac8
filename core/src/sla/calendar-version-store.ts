import { sql, type Kysely } from 'kysely'
import type { CalendarDefinition } from '../calendars/contract.js'
import type { Tables } from '../store/tables.js'

/** Remembers how calendars were written; key: the version, a hash of the definition. */
export async function rememberCalendars(
  db: Kysely<Tables>,
  calendars: readonly { readonly version: string; readonly name: string; readonly definition: CalendarDefinition }[],
): Promise<void> {
  if (calendars.length === 0) return
  await sql`
    insert into calendar_version (version, name, definition)
    select version, name, definition
    from jsonb_to_recordset(${JSON.stringify(calendars)}::jsonb) as r(version text, name text, definition jsonb)
    on conflict (version) do nothing`.execute(db)
}

export async function readCalendars(
  db: Kysely<Tables>,
  versions: readonly string[],
): Promise<readonly { readonly version: string; readonly name: string; readonly definition: CalendarDefinition }[]> {
  const { rows } = await sql<{ version: string; name: string; definition: CalendarDefinition }>`
    select version, name, definition from calendar_version where version = any(${versions}::text[])`.execute(db)
  return rows
}
