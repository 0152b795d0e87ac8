import { sql, type Kysely } from 'kysely'

/** Wrap-up after the work, and messages that wait for the customer and count less meanwhile. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
alter table work_item add column wrap_until timestamptz;        -- state wrapping: the units are held until then
alter table work_item add column wrap_disposition text;         -- what the agent said when completing it
alter table work_item add column wrap_inbound_at timestamptz;   -- the customer's last message then; a newer one takes it up again
create index work_item_wrap on work_item (wrap_until) where state = 'wrapping';

alter table offer add column full_units integer;                -- it waits for the customer and counts less: what it counts else
alter table offer add column reactivated_at timestamptz;        -- the customer wrote again: back to full units, above capacity too
create index offer_idle on offer (item_id) where state = 'accepted' and full_units is not null;
`,
    )
    .execute(db)
}
