import type { ColumnType } from 'kysely'

/** Written as text (JSON.stringify), read parsed. */
export type Json = ColumnType<unknown, string, string>
