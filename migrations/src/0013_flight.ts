import { sql, type Kysely } from 'kysely'

/**
 * What saves round trips on a message's way. `sequence_events` is `sequence_outbox` (which nodes of the release before go on
 * calling) that answers the log entries it made, so that nobody has to read them back. `claim_lost` lets the fence of a
 * batch end the transaction by itself, so that the commit may follow it unseen. `claim_shards` does what it did, without
 * planning its statements anew at every call: PostgreSQL would, because it knows the length of an array only then.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
create function sequence_events(batch integer, quiet boolean) returns setof event_log language plpgsql
set plan_cache_mode = force_generic_plan as $$
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

create or replace function claim_shards(wanted smallint[], node uuid, token uuid, lease interval, batch integer)
returns table (row_id bigint, row_shard smallint, row_crashes smallint) language plpgsql
set plan_cache_mode = force_generic_plan as $$
declare
  mine smallint[];
  lapsed bigint[];
begin
  perform set_config('synchronous_commit', 'off', true);
  select array_agg(f.id), array_agg(distinct h.id) filter (where h.id is not null) into mine, lapsed
    from (
      select s.id, s.in_hand from shard s
      where s.id = any (wanted) and (s.claim_token is null or s.lease_until < clock_timestamp())
      order by s.id for no key update skip locked
    ) f left join lateral unnest(f.in_hand) as h(id) on true;
  if mine is null then return; end if;
  if lapsed is not null then
    update inbox_waiting w set crashes = w.crashes + 1 where w.shard = any (mine) and w.id = any (lapsed);
    update shard s set claim_token = null, lease_until = null, in_hand = '{}' where s.id = any (mine);
  end if;
  return query
    with candidates as materialized (
      select w.id, w.shard, w.crashes
      from (select distinct unnest(mine)) as s(id)
      cross join lateral (
        select i.id, i.shard, i.crashes from inbox_waiting i
        where i.shard = s.id
          and not exists (select 1 from lane_trouble l where l.lane = i.lane and l.retry_at > clock_timestamp())
        order by i.id limit batch
      ) w
      order by w.id limit batch
    ), suspect as materialized (
      select min(c.id) as id from candidates c where c.crashes > 0
    ), chosen as materialized (
      select c.id, c.shard, c.crashes from candidates c, suspect where suspect.id is null or c.id = suspect.id
    ), claimed as (
      update shard s set claim_token = token, node_id = node, lease_until = clock_timestamp() + lease, in_hand = c.ids
      from (select h.shard, array_agg(h.id order by h.id) as ids from chosen h group by h.shard) c
      where s.id = c.shard
    )
    select o.id, o.shard, o.crashes from chosen o order by o.id;
end $$;

create function claim_lost() returns integer language plpgsql as $$
begin
  raise exception 'the claim of these shards is not ours any more' using errcode = 'TL001';
end $$;
`,
    )
    .execute(db)
}
