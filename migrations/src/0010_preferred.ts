import { sql, type Kysely } from 'kysely'

/**
 * Holds for preferred agents, one item over capacity for account managers, and the place in the queue that a due SLA clock
 * asks for.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
alter table work_item
  add column hold_until timestamptz,                   -- kept for a preferred agent who is full
  add column overcommit text[] not null default '{}',  -- preferred agents who may take this one when full
  add column sla_due_at timestamptz;

create index work_item_hold on work_item (queue, hold_until) where state = 'queued' and hold_until is not null;
create index work_item_overcommit on work_item (queue) where state = 'queued' and overcommit <> '{}' and waiting_reason is null;

-- A clock that is due brings an item forward: ten minutes before it is due it stands where an item of that age would. Whoever
-- writes sla_due_at need not know how places are made.
create function work_due_rank() returns trigger language plpgsql as $$
begin
  if new.sla_due_at is distinct from old.sla_due_at then
    new.rank_at := least(new.first_enqueued_at - make_interval(secs => new.head_start_s), new.sla_due_at - interval '10 minutes');
  end if;
  return new;
end $$;
create trigger work_due_rank before update of sla_due_at on work_item for each row execute function work_due_rank();
`,
    )
    .execute(db)
}
