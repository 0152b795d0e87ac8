import { sql, type Kysely } from 'kysely'

/** Choices that a channel could show as a numbered list only: what a typed answer is compared with. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
alter table touchpoint
  add column choices json,                 -- of the latest answer, in the order of their numbers; null: none were listed
  add column choices_until timestamptz;
`,
    )
    .execute(db)
}
