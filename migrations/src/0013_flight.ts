import { sql, type Kysely } from 'kysely'

/**
 * What saves round trips on a message's way. `sequence_events` is `sequence_outbox` (which nodes of the release before go on
 * calling) that answers the log entries it made, so that nobody has to read them back. `claim_lost` lets the fence of a
 * batch end the transaction by itself, so that the commit may follow it unseen.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
create function sequence_events(batch integer, quiet boolean) returns setof event_log language plpgsql as $$
declare
  moved bigint;
  head bigint;
begin
  perform pg_advisory_xact_lock(7402001);
  select position into head from event_head;
  return query with taken as (
    delete from outbox where id in (select id from outbox order by id limit batch)
    returning *
  ), numbered as (
    select head + row_number() over (order by id) as position, * from taken
  ), logged as (
    insert into event_log
      (position, type, conversation_id, contact_id, agent_id, watch, actor_kind, actor_id, cause, data, at)
    select position, type, conversation_id, contact_id, agent_id, watch, actor_kind, actor_id, cause, data, at
    from numbered order by position
    returning *
  )
  select * from logged order by position;
  get diagnostics moved = row_count;
  if moved > 0 then
    update event_head set position = head + moved;
    if not quiet then
      perform pg_notify('throughline_events', (head + moved)::text);
    end if;
  end if;
end $$;

create function claim_lost() returns integer language plpgsql as $$
begin
  raise exception 'the claim of these shards is not ours any more' using errcode = 'TL001';
end $$;
`,
    )
    .execute(db)
}
