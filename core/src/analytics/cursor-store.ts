import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Rows of `analytics_cursor`: up to which position an instance has handled the log. */
export interface CursorStore {
  /** 0: nothing yet. */
  read(instance: string): Promise<number>
  /** Moves the cursor from where this reader saw it; false: somebody else moved it meanwhile, leave. */
  move(instance: string, from: number, to: number): Promise<boolean>
}

export function createCursorStore(db: Kysely<Tables>): CursorStore {
  return Object.freeze({
    async read(instance) {
      const row = await db
        .selectFrom('analytics_cursor')
        .select('position')
        .where('instance', '=', instance)
        .executeTakeFirst()
      return row?.position ?? 0
    },
    async move(instance, from, to) {
      const { rows } = await sql`
        insert into analytics_cursor as c (instance, position) values (${instance}, ${to})
        on conflict (instance) do update set position = excluded.position, updated_at = now() where c.position = ${from}
        returning instance`.execute(db)
      return rows.length === 1
    },
  } satisfies CursorStore)
}
