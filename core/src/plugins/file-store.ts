import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

export interface FileRow {
  readonly key: string
  readonly size: number
  readonly mime: string
  readonly name: string | null
}

/** Rows of `file`: what is known about stored bytes. The key is the hash of the bytes, so a second put changes nothing. */
export interface FileRows {
  add(row: FileRow): Promise<void>
  get(key: string): Promise<FileRow | null>
}

export function createFileRows(db: Kysely<Tables>): FileRows {
  return Object.freeze({
    async add(row) {
      await db
        .insertInto('file')
        .values(row)
        .onConflict((it) => it.column('key').doNothing())
        .execute()
    },
    async get(key) {
      const row = await db
        .selectFrom('file')
        .select(['key', 'size', 'mime', 'name'])
        .where('key', '=', key)
        .executeTakeFirst()
      return row ?? null
    },
  } satisfies FileRows)
}
