import { sql, type Kysely } from 'kysely'

/**
 * The sequencer's NOTIFY can be left out, for installations whose nodes wake each other over a bus: a transaction that has
 * set `throughline.quiet` tells nobody. Nodes of the release before call the same function and go on telling.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
create or replace function sequence_outbox(batch integer) returns bigint language plpgsql as $$
declare
  moved bigint;
  head bigint;
begin
  perform pg_advisory_xact_lock(7402001);
  select position into head from event_head;
  with taken as (
    delete from outbox where id in (select id from outbox order by id limit batch)
    returning *
  ), numbered as (
    select head + row_number() over (order by id) as position, * from taken
  )
  insert into event_log (position, type, conversation_id, contact_id, agent_id, watch, actor_kind, actor_id, cause, data, at)
  select position, type, conversation_id, contact_id, agent_id, watch, actor_kind, actor_id, cause, data, at
  from numbered order by position;
  get diagnostics moved = row_count;
  if moved > 0 then
    update event_head set position = head + moved;
    if coalesce(current_setting('throughline.quiet', true), '') <> 'on' then
      perform pg_notify('throughline_events', (head + moved)::text);
    end if;
  end if;
  return moved;
end $$;
`,
    )
    .execute(db)
}
