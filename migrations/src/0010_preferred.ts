import { sql, type Kysely } from 'kysely'

/** Holds for preferred agents, and one item over capacity for account managers. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
alter table work_item
  add column hold_until timestamptz,                   -- kept for a preferred agent who is full
  add column overcommit text[] not null default '{}';  -- preferred agents who may take this one when full

create index work_item_hold on work_item (queue, hold_until) where state = 'queued' and hold_until is not null;
create index work_item_overcommit on work_item (queue) where state = 'queued' and overcommit <> '{}' and waiting_reason is null;
`,
    )
    .execute(db)
}
