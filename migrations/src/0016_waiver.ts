import { sql, type Kysely } from 'kysely'

/** Waivers of broken promises, beside clocks that stay as they are; when a clock last warned. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(statements).execute(db)
}

const statements = `
-- One a clock, never changed. Without a foreign key: its check would wait for the clock's writer, and that for us.
create table sla_waiver (
  clock_id uuid primary key,
  conversation_id uuid not null,                       -- as it was then; a join may have moved the clock since
  reason text not null check (char_length(reason) between 1 and 500),
  agent_id text not null,
  at timestamptz not null default clock_timestamp()
);

alter table sla_clock add column warned_at timestamptz; -- the last level before the target that was reached
`
