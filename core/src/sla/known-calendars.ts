import type { Kysely } from 'kysely'
import type { Calendar, CalendarDefinition, Calendars } from '../calendars/contract.js'
import type { Tables } from '../store/tables.js'
import { readCalendars, rememberCalendars } from './calendar-version-store.js'

export interface KnownCalendarsDeps {
  readonly db: Kysely<Tables>
  readonly calendars: Calendars
  readonly definitions: readonly (CalendarDefinition & { readonly id: string })[]
}

/** Calendars by version: those of the configuration, and as they were written when a clock began to count. */
export function createKnownCalendars(deps: KnownCalendarsDeps) {
  const { calendars, definitions } = deps
  const known = new Map<string, Calendar>([[calendars.always.version, calendars.always]])
  const current = definitions.flatMap(({ id, timeZone, weekly, holidays, overrides }) => {
    const calendar = calendars.get(id)
    if (calendar === null) return []
    known.set(calendar.version, calendar)
    return [{ version: calendar.version, name: id, definition: { timeZone, weekly, holidays, overrides } }]
  })
  return Object.freeze({
    remember: () => rememberCalendars(deps.db, current),
    versions: current.map(({ version }) => version),
    /** Loads those of other configurations; one that is nowhere to be found counts every second. */
    async load(versions: Iterable<string>): Promise<void> {
      const missing = [...new Set(versions)].filter((version) => !known.has(version))
      if (missing.length === 0) return
      for (const { version, name, definition } of await readCalendars(deps.db, missing)) {
        known.set(version, calendars.read(name, definition))
      }
      for (const version of missing) if (!known.has(version)) known.set(version, calendars.always)
    },
    of: (version: string): Calendar => known.get(version) ?? calendars.always,
    named: (name: string): Calendar | null => calendars.get(name),
  })
}

export type KnownCalendars = ReturnType<typeof createKnownCalendars>
