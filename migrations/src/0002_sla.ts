import { sql, type Kysely } from 'kysely'

/** SLA clocks. They follow the event log: nothing that moves a message writes here. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(statements).execute(db)
}

const statements = `
create table sla_clock (
  id uuid primary key,
  conversation_id uuid not null,
  touchpoint_id uuid,
  metric text not null check (metric in
    ('first_reply', 'next_reply', 'periodic_update', 'requester_wait', 'agent_work', 'total_resolution')),
  cycle integer not null,
  policy text not null,                                -- rule of sla.json
  policy_version text not null,
  target_s double precision not null,
  calendar text not null,
  calendar_version text not null,
  state text not null check (state in ('running', 'paused', 'met', 'breached', 'met_late', 'cancelled')),
  used_s double precision not null,                    -- frozen at every change; a later edit never rewrites it
  started_at timestamptz not null,
  running_since timestamptz,                           -- null: it does not count now
  due_at timestamptz,
  levels text[] not null,                              -- still to fire, in their order; each fires once
  fired text[] not null,
  next_level text,
  next_at timestamptz,
  breached_at timestamptz,
  ended_at timestamptz,
  reason text,
  opened_by uuid,                                      -- message
  fulfilled_by uuid,                                   -- message
  unique (conversation_id, metric, cycle)
) with (fillfactor = 80);
create index sla_clock_next on sla_clock (next_at) where next_at is not null;
create index sla_clock_calendar on sla_clock (calendar_version) where ended_at is null and calendar_version <> 'always';

-- What the clocks of a conversation know of it, as of the last event they have seen.
create table sla_conversation (
  conversation_id uuid primary key,
  status text not null,
  handled_by text not null check (handled_by in ('none', 'bot', 'human')),
  replied boolean not null,
  unanswered_since timestamptz,
  touchpoint_id uuid,
  cycles jsonb not null
) with (fillfactor = 80);

-- How far the clocks have followed the log. Its row lock makes it one node at a time; it moves with what was written.
create table sla_cursor (
  id boolean primary key default true check (id),
  position bigint not null
) with (fillfactor = 10);
insert into sla_cursor (position) select position from event_head;

-- Every version of a calendar that a clock was counted with: an edit must not change what has passed.
create table calendar_version (
  version text primary key,
  name text not null,
  definition jsonb not null,
  since timestamptz not null default now()
);

alter table work_item add column sla_due_at timestamptz;
`
