import { sql, type Kysely } from 'kysely'

/** What the fair share of new items is counted by: what is new, and who had how much of it lately. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
alter table work_item add column was_taken boolean not null default false; -- somebody has had it: it is not new any more
update work_item w set was_taken = true
where w.state in ('held', 'queued', 'offered', 'assigned', 'wrapping')
  and exists (select 1 from offer o where o.item_id = w.id and o.accepted_at is not null);
create index work_item_again on work_item (queue, class) where state = 'queued' and was_taken;

alter table offer add column new_in text;              -- the queue whose share it counts for; null: forced, or nothing new
create index offer_new on offer (new_in, agent_id, accepted_at) where new_in is not null and accepted_at is not null;
`,
    )
    .execute(db)
}
