import { sql, type Kysely } from 'kysely'

/** Presence beyond the unified status, shifts, closed queues, what supervisors do. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
-- Who is there --------------------------------------------------------------------------------------------------------
alter table agent_presence add column label text;               -- the administrator's name of the status
alter table agent_presence add column finishing_to text         -- status that follows when the work in hand is done
  check (finishing_to in ('away', 'wrap', 'offline'));
alter table agent_presence add column finishing_label text;
alter table agent_presence add column finishing_reason text;
alter table agent_presence add column frozen_at timestamptz;    -- a supervisor keeps new work away
alter table agent_presence add column frozen_by text;
alter table agent_presence add column frozen_reason text;
alter table agent_state_interval add column source text;        -- agent, schedule, miss policy, supervisor, system

create table agent_shift (                                      -- the side of the schedule an agent was last seen on
  agent_id text primary key references agent (id),
  on_shift boolean not null,
  changed_at timestamptz not null default now()
);

-- Work ----------------------------------------------------------------------------------------------------------------
alter table offer add column accepted_at timestamptz;           -- handle time runs from here to decided_at
create index offer_handled on offer (decided_at) where state = 'completed';
alter table work_item add column opened_at timestamptz;         -- an item that was held: when it began to wait in earnest
alter table work_item add column tell_wait boolean not null default false; -- the customer is still to be told
create index work_item_tell_wait on work_item (id) where state = 'queued' and tell_wait;
alter table queue add column drained_to text;                   -- a supervisor lets new work go to another queue
alter table queue add column drained_by text;
alter table queue add column drained_reason text;

create table closed_answer (                                    -- one automatic answer a conversation and closed period
  conversation_id uuid not null,
  opens_at timestamptz not null,                                -- end of the closed period
  message_id uuid,                                              -- null: the channel cannot be written to
  outcome text not null,                                        -- queued, or the code of the error
  at timestamptz not null default now(),
  primary key (conversation_id, opens_at)
);

create table supervision (                                      -- who watches or has joined which conversation
  conversation_id uuid not null,
  agent_id text not null references agent (id),
  mode text not null check (mode in ('monitor', 'barge')),
  since timestamptz not null default now(),
  until timestamptz,
  primary key (conversation_id, agent_id)
);
create index supervision_agent on supervision (agent_id) where until is null;
`,
    )
    .execute(db)
}
