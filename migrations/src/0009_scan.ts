import { sql, type Kysely } from 'kysely'

/**
 * What the dispatcher's scan goes by: the class of a waiting item (items of one class ask for the same, so they are judged
 * together and skipped together), and when its next step is due. Both are made by the database, so that no writer can
 * forget them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
create function work_step_due(plan json, step smallint, step_from timestamptz) returns timestamptz
language plpgsql immutable parallel safe as $$
declare
  seconds double precision := 0;
  part double precision;
begin
  -- The last step lasts for ever, and so does one without seconds: the end of neither is ever due.
  if coalesce(json_typeof(plan->'steps'), '') <> 'array' or step >= json_array_length(plan->'steps') - 1 then
    return null;
  end if;
  for i in 0..step loop
    part := (plan->'steps'->i->>'seconds')::double precision;
    if part is null then return null; end if;
    seconds := seconds + part;
  end loop;
  return step_from + make_interval(secs => seconds);
end $$;

alter table work_item
  add column class bigint not null generated always as ((
    hashtextextended(channel_kind || ' ' || units || ' ' || step || ' ' || coalesce(waiting_reason, '') || ' '
      || coalesce(plan->>'steps', ''), 0)
    # hash_array_extended(extra_queues, 1) # hash_array_extended(teams, 2)
    # jsonb_hash_extended(skills, 3) # jsonb_hash_extended(languages, 4)
    ) & 9007199254740991) stored,                        -- 53 bits: a number in JavaScript
  add column step_due_at timestamptz generated always as (work_step_due(plan, step, step_from)) stored;

create index work_item_class on work_item (queue, class, rank_at, first_enqueued_at, id) where state = 'queued';
create index work_item_step_due on work_item (queue, step_due_at) where state = 'queued' and step_due_at is not null;
`,
    )
    .execute(db)
}
