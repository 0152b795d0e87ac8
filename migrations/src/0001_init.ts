import { sql, type Kysely } from 'kysely'

/**
 * The first schema. Ids are UUIDv7 made by the engine; positions and inbox ids are numbers made by the database.
 * States are text with a CHECK, so that a later release can add one without rewriting a type.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(statements).execute(db)
}

const statements = `
-- The installation itself -------------------------------------------------------------------------------------------
create table installation (
  id boolean primary key default true check (id),
  epoch uuid not null default gen_random_uuid(),      -- changes after a restore: every client resyncs
  root_key bytea not null default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'),
  shards smallint not null default 8,                 -- changes only while nothing is undrained
  created_at timestamptz not null default now()
);
insert into installation default values;

create table node (
  id uuid primary key,
  pool_id text,
  host text not null,
  roles text[] not null,
  release text not null,
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  stopped_at timestamptz
);

-- Leadership over something one node at a time does: a polling channel, a cron task. Fenced by token.
create table lease (
  name text primary key,
  node_id uuid,
  token uuid,
  until timestamptz not null,
  last_run_at timestamptz
);

-- Inbound -----------------------------------------------------------------------------------------------------------
create table inbox (
  id bigint generated always as identity primary key,
  channel text not null,
  external_id text not null,
  lane text not null,
  shard smallint not null,
  state text not null default 'accepted' check (state in ('accepted', 'parked')),
  event json,                                          -- null: the body could not be parsed
  request uuid not null,                               -- events of one request share it
  raw bytea,                                           -- the body, on the first row of a request
  headers json,
  received_at timestamptz not null default now(),
  code text,                                           -- why it is parked, or why it changed nothing
  reason text
);
create unique index inbox_once on inbox (channel, external_id);
create index inbox_parked on inbox (id) where state = 'parked';

-- Accepted and not yet applied. Apart from the inbox, because the end of a row is then a small delete and the wide row with
-- its raw body is written once.
create table inbox_waiting (
  shard smallint not null,
  id bigint not null,                                  -- of the inbox
  lane text not null,
  crashes smallint not null default 0,                 -- times a process died with this row in hand
  primary key (shard, id)
);

create table shard (
  id smallint primary key,
  claim_token uuid,
  node_id uuid,
  lease_until timestamptz,
  in_hand bigint[] not null default '{}'
) with (fillfactor = 50);
insert into shard (id) select generate_series(0, 63);

-- Only lanes in trouble: their head failed and is tried again later; everything behind it waits.
create table lane_trouble (
  lane text primary key,
  shard smallint not null,
  attempts smallint not null,
  first_failed_at timestamptz not null default now(),
  retry_at timestamptz not null,
  inbox_id bigint not null
);

-- Takes the claims of those of the wanted shards that are free (or whose lease is over by database time) and have work, and
-- names the rows in hand: the oldest waiting ones whose lane is not set aside. A lapsed claim means that a process died with
-- its rows in hand: each of them counts one crash, and a row with crashes is handed out alone, so that the innocent ones
-- next to it are not taken down again.
create function claim_shards(wanted smallint[], node uuid, token uuid, lease interval, batch integer)
returns table (row_id bigint, row_shard smallint, row_crashes smallint) language plpgsql as $$
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
    with chosen as materialized (
      select n.id, n.shard, n.crashes from next_in_hand(mine, batch) n
    ), claimed as (
      update shard s set claim_token = token, node_id = node, lease_until = clock_timestamp() + lease, in_hand = c.ids
      from (select shard, array_agg(id order by id) as ids from chosen group by shard) c
      where s.id = c.shard
    )
    select id, shard, crashes from chosen order by id;
end $$;

create function next_in_hand(shards smallint[], batch integer) returns table (id bigint, shard smallint, crashes smallint) language sql as $$
  with candidates as materialized (
    select w.id, w.shard, w.crashes
    from (select distinct unnest(shards)) as s(id)
    cross join lateral (
      select i.id, i.shard, i.crashes from inbox_waiting i
      where i.shard = s.id
        and not exists (select 1 from lane_trouble l where l.lane = i.lane and l.retry_at > clock_timestamp())
      order by i.id limit batch
    ) w
    order by w.id limit batch
  )
  select id, shard, crashes from candidates
  where id = (select min(id) from candidates where crashes > 0) or not exists (select 1 from candidates where crashes > 0)
$$;

-- Identity ----------------------------------------------------------------------------------------------------------
create table contact (
  id uuid primary key,
  name text,
  language text,
  time_zone text,
  tier text,
  attributes jsonb not null default '{}',
  account_manager text,
  joined_into uuid references contact (id),
  consent boolean,
  version integer not null default 1,
  created_at timestamptz not null default now()
);

-- "resolves": this row decides which contact an event belongs to. Verified identifiers do, and so does the sender key of
-- a claimed sender (kind 'sender:<channel>'), which leads back to the same unverified contact and never further.
create table identifier (
  id uuid primary key,
  contact_id uuid not null,
  kind text not null,
  value text not null,
  assurance text not null check (assurance in ('verified', 'claimed')),
  resolves boolean not null,
  evidence text not null,
  channel text,
  created_at timestamptz not null default now()
);
create unique index identifier_resolves on identifier (kind, value, assurance) where resolves;
create unique index identifier_contact on identifier (contact_id, kind, value, assurance);
create index identifier_value on identifier (value, kind);

create table contact_join (
  id uuid primary key,
  from_contact uuid not null references contact (id),
  into_contact uuid not null references contact (id),
  evidence text not null,
  actor_kind text not null,
  actor_id text,
  at timestamptz not null default now(),
  moved jsonb not null,                                -- what moved, so that an undo restores both sides
  undone_at timestamptz,
  undone_by text
);
create index contact_join_into on contact_join (into_contact);

create table identity_suggestion (
  id uuid primary key,
  contact_a uuid not null references contact (id),
  contact_b uuid not null references contact (id),
  kind text not null,
  value text not null,
  confidence real not null,
  evidence text not null,
  state text not null default 'open' check (state in ('open', 'confirmed', 'rejected')),
  at timestamptz not null default now(),
  decided_at timestamptz,
  decided_by text
);
create unique index identity_suggestion_once on identity_suggestion (contact_a, contact_b, kind, value);

-- The tables every message touches carry no foreign keys: a check per row costs more than the row itself, and every
-- writer holds the lock of the contact or the conversation that the key would guard.

-- Conversations -----------------------------------------------------------------------------------------------------
create table conversation (
  id uuid primary key,
  contact_id uuid not null,
  status text not null default 'open' check (status in ('open', 'pending', 'snoozed', 'resolved', 'joined')),
  subject text,
  priority text not null default 'normal' check (priority in ('urgent', 'high', 'normal', 'low')),
  queue text,
  assignee text,
  tags text[] not null default '{}',
  language text,
  sla_policy text,
  last_touchpoint uuid,
  last_message_at timestamptz,
  -- Lists are sorted by the hour first: an index over the exact time would be rewritten by every message.
  last_message_hour timestamp generated always as (date_trunc('hour', last_message_at at time zone 'UTC')) stored,
  last_inbound_at timestamptz,
  waiting_since timestamptz,                           -- the oldest unanswered customer message
  snoozed_until timestamptz,
  resolved_at timestamptz,
  joined_into uuid,
  related_to uuid,                                     -- possibly belongs to this one; not joined for want of proof
  version integer not null default 1,
  created_at timestamptz not null default now()
) with (fillfactor = 80);
create index conversation_contact on conversation (contact_id, created_at desc);
create index conversation_list on conversation (status, last_message_hour desc);
create index conversation_assignee on conversation (assignee) where assignee is not null and status <> 'resolved';
create index conversation_snoozed on conversation (snoozed_until) where status = 'snoozed';

create table touchpoint (
  id uuid primary key,
  conversation_id uuid not null,
  contact_id uuid not null,
  channel text not null,
  thread text not null,
  thread_kind text not null default 'direct',
  title text,
  last_inbound_at timestamptz,                         -- the reply window counts from here
  created_at timestamptz not null default now()
) with (fillfactor = 80);
create unique index touchpoint_once on touchpoint (channel, thread, conversation_id);
create index touchpoint_conversation on touchpoint (conversation_id);

create table message (
  id uuid primary key,
  conversation_id uuid not null,
  touchpoint_id uuid,
  channel text,
  direction text not null check (direction in ('in', 'out', 'note')),
  author_kind text not null check (author_kind in ('customer', 'agent', 'bot', 'system')),
  author_id text,
  text text not null,
  parts json not null,
  subject text,
  external_id text,                                    -- network id; of outbound messages the sends hold theirs
  reply_to text,
  automatic boolean not null default false,
  provider_at timestamptz not null,                    -- when it happened; the timeline is in this order
  at timestamptz not null default now(),               -- when the engine took it
  late boolean not null default false,
  state text check (state in ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown', 'dead', 'cancelled')),
  losses json,
  reactions json,
  edited_at timestamptz,
  deleted_at timestamptz
);
create unique index message_external on message (channel, external_id) where external_id is not null;
create index message_timeline on message (conversation_id, provider_at, id);

create table attachment (
  id uuid primary key,
  message_id uuid not null references message (id),
  part_index smallint not null,
  channel text not null,
  state text not null default 'pending' check (state in ('pending', 'stored', 'missing', 'refused')),
  handle json not null,
  file_key text,
  name text,
  mime text,
  size bigint,
  attempts smallint not null default 0,
  retry_at timestamptz not null default now(),
  reason text,
  created_at timestamptz not null default now()
);
create index attachment_message on attachment (message_id);
create index attachment_pending on attachment (retry_at) where state = 'pending';

create table file (
  key text primary key,
  size bigint not null,
  mime text not null,
  name text,
  created_at timestamptz not null default now()
);

-- Outbound ----------------------------------------------------------------------------------------------------------
create table send (
  id uuid primary key,                                 -- also the part's idempotency key
  message_id uuid not null references message (id),
  conversation_id uuid not null,
  touchpoint_id uuid not null references touchpoint (id),
  channel text not null,
  thread text not null,
  seq bigint generated always as identity,             -- order within (conversation, channel)
  part json not null,
  state text not null default 'queued'
    check (state in ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown', 'dead', 'cancelled')),
  attempts smallint not null default 0,
  bugs smallint not null default 0,
  replanned boolean not null default false,
  retry_at timestamptz not null default now(),
  claim_token uuid,
  lease_until timestamptz,
  external_id text,
  error_code text,
  error_message text,
  created_at timestamptz not null default now(),
  settled_at timestamptz
) with (fillfactor = 70);
create index send_message on send (message_id);
create index send_lane on send (channel, conversation_id, seq) where state in ('queued', 'sending');
create index send_due on send (channel, seq) where state = 'queued';
create unique index send_external on send (channel, external_id) where external_id is not null;

-- A receipt that came before the send was saved; applied when it is.
create table early_receipt (
  channel text not null,
  target text not null,
  status text not null,
  at timestamptz not null,
  error json,
  received_at timestamptz not null default now(),
  primary key (channel, target, status)
);

-- Tokens of a channel's rate limit, shared by all nodes; paused_until holds the lanes of an instance.
create table channel_limit (
  channel text primary key,
  tokens double precision not null,
  refilled_at timestamptz not null,
  paused_until timestamptz,
  pause_reason text
);

-- Agents, presence --------------------------------------------------------------------------------------------------
create table agent (
  id text primary key,
  name text not null,
  email text not null,
  role text not null check (role in ('agent', 'lead', 'admin', 'auditor', 'integrator')),
  password_hash text,
  teams text[] not null default '{}',
  skills jsonb not null default '{}',
  languages jsonb not null default '{}',
  time_zone text not null default 'UTC',
  per_channel_max jsonb not null default '{}',
  disabled_at timestamptz,
  source text not null default 'cli' check (source in ('config', 'cli')),
  failed_logins smallint not null default 0,
  locked_until timestamptz,
  rights_version integer not null default 1,           -- bumped by role, team, password, disable: live sockets re-check
  created_at timestamptz not null default now()
);
create unique index agent_email on agent (lower(email));

create table agent_session (
  id uuid primary key,
  agent_id text not null references agent (id),
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index agent_session_agent on agent_session (agent_id);

create table api_token (
  id uuid primary key,
  name text not null,
  agent_id text references agent (id),
  role text not null,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);

create table sign_in_code (
  code_hash bytea primary key,
  agent_id text not null references agent (id),
  expires_at timestamptz not null,
  used_at timestamptz
);

create table ws_ticket (
  ticket_hash bytea primary key,
  agent_id text not null references agent (id),
  session_id uuid,
  api_token_id uuid,
  origin text,
  expires_at timestamptz not null,
  used_at timestamptz
);

-- THE place where capacity is decided: reserved + active + units <= capacity, in one conditional UPDATE.
create table agent_load (
  agent_id text primary key references agent (id),
  capacity integer not null default 100,
  reserved integer not null default 0 check (reserved >= 0),
  active integer not null default 0 check (active >= 0),
  by_channel jsonb not null default '{}',
  accepting boolean not null default false,
  last_assigned_at timestamptz,
  misses smallint not null default 0,
  version integer not null default 1
) with (fillfactor = 50);

create table agent_presence (
  agent_id text primary key references agent (id),
  status text not null default 'offline' check (status in ('online', 'busy', 'away', 'wrap', 'offline')),
  reason text,
  source text not null default 'system',
  until timestamptz,
  channels jsonb not null default '{}',
  changed_at timestamptz not null default now()
);

create table presence_session (
  id uuid primary key,
  agent_id text not null references agent (id),
  node_id uuid not null,
  connected_at timestamptz not null default now(),
  last_beat_at timestamptz not null default now(),
  lease_until timestamptz not null,
  lost_at timestamptz
);
create index presence_session_agent on presence_session (agent_id);

create table agent_state_interval (
  id uuid primary key,
  agent_id text not null references agent (id),
  state text not null,
  reason text,
  from_at timestamptz not null,
  to_at timestamptz
);
create index agent_state_interval_agent on agent_state_interval (agent_id, from_at);

-- Routing -----------------------------------------------------------------------------------------------------------
create table queue (
  id text primary key,
  name text not null,
  settings jsonb not null,
  retired_at timestamptz
);

create table work_item (
  id uuid primary key,
  conversation_id uuid not null,
  channel text not null,
  channel_kind text not null,
  queue text not null,
  extra_queues text[] not null default '{}',           -- overflow adds queues, never moves the item
  state text not null check (state in
    ('held', 'queued', 'offered', 'assigned', 'wrapping', 'done', 'abandoned', 'cancelled', 'joined')),
  waiting_reason text,
  priority text not null,
  rank_at timestamptz not null,
  head_start_s integer not null default 0,
  first_enqueued_at timestamptz not null default now(),
  queued_at timestamptz not null default now(),
  held_until timestamptz,
  units integer not null,
  skills jsonb not null default '{}',
  languages jsonb not null default '{}',
  teams text[] not null default '{}',
  preferred text[] not null default '{}',
  excluded jsonb not null default '{}',
  plan json not null,
  plan_version text not null,
  step smallint not null default 0,
  step_from timestamptz not null default now(),
  assignee text,
  epoch integer not null default 1,                    -- fencing number of this row
  created_at timestamptz not null default now(),
  ended_at timestamptz
) with (fillfactor = 70);
create unique index work_item_live on work_item (conversation_id)
  where state in ('held', 'queued', 'offered', 'assigned', 'wrapping');
create index work_item_rank on work_item (queue, rank_at, first_enqueued_at, id) where state = 'queued';
create index work_item_held on work_item (held_until) where state = 'held';
create index work_item_assignee on work_item (assignee) where state in ('assigned', 'wrapping');

create table offer (
  id uuid primary key,
  item_id uuid not null references work_item (id),
  conversation_id uuid not null,
  agent_id text not null references agent (id),
  state text not null check (state in ('pending', 'accepted', 'declined', 'expired', 'rescinded', 'cancelled',
    'wrapping', 'completed', 'transferred', 'released')),
  epoch integer not null,
  units integer not null,
  channel_kind text not null,
  broadcast boolean not null default false,
  forced boolean not null default false,
  reason text,
  presented_at timestamptz,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  decided_at timestamptz
) with (fillfactor = 70);
create unique index offer_one_winner on offer (item_id) where state in ('accepted', 'wrapping');
create unique index offer_one_pending on offer (item_id) where state = 'pending' and not broadcast;
create index offer_pending on offer (expires_at) where state = 'pending';
create index offer_agent on offer (agent_id) where state in ('pending', 'accepted', 'wrapping');

create table routing_decision (
  id uuid primary key,
  conversation_id uuid not null,
  work_item_id uuid,
  at timestamptz not null default now(),
  trigger text not null,
  source text not null,                                -- plugin instance, or 'default'
  rule text,
  version text not null,
  reason text not null,
  facts json not null,
  plan json,
  candidates json
);
create index routing_decision_conversation on routing_decision (conversation_id, at);

-- Events ------------------------------------------------------------------------------------------------------------
create table outbox (
  id bigint generated always as identity primary key,
  type text not null,
  conversation_id uuid,
  contact_id uuid,
  agent_id text,                                       -- set: only this agent and leads may see it
  watch text,                                          -- '<channel>/<thread>' where the channel serves its own clients
  actor_kind text not null,
  actor_id text,
  cause text,
  data json not null,
  at timestamptz not null default now()
);

create table event_log (
  position bigint primary key,
  type text not null,
  conversation_id uuid,
  contact_id uuid,
  agent_id text,
  watch text,
  actor_kind text not null,
  actor_id text,
  cause text,
  data json not null,
  at timestamptz not null
);
create index event_log_watch on event_log (watch, position) where watch is not null;
create index event_log_conversation on event_log (conversation_id, position);
create index event_log_at on event_log using brin (at);

create table event_head (
  id boolean primary key default true check (id),
  position bigint not null
) with (fillfactor = 10);
insert into event_head (position) values (0);

-- Moves committed outbox rows into the log with consecutive positions. The advisory lock makes it one at a time over all
-- nodes; because everything happens inside this one call, a stopped client can never hold the lock. NOTIFY carries the
-- new head only, never data.
create function sequence_outbox(batch integer) returns bigint language plpgsql as $$
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
    perform pg_notify('throughline_events', (head + moved)::text);
  end if;
  return moved;
end $$;

create table command_dedupe (
  agent_id text not null,
  command_id text not null,
  request_hash bytea not null,
  result json not null,
  at timestamptz not null default now(),
  primary key (agent_id, command_id)
);
create index command_dedupe_at on command_dedupe (at);

-- Plugins, analytics ------------------------------------------------------------------------------------------------
create table plugin_state (
  instance text not null,
  key text not null,
  value jsonb not null,
  expires_at timestamptz,
  primary key (instance, key)
);

create table analytics_cursor (
  instance text primary key,
  position bigint not null,
  updated_at timestamptz not null default now()
);
`
