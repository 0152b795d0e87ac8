import { sql, type Kysely } from 'kysely'

/** Outgoing webhooks: how far each endpoint has been served, and every delivery that is on its way or was made. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table webhook_endpoint (
  id text primary key,                                 -- of the configuration
  url_digest text not null,                            -- SHA-256: another URL is another receiver and starts unburdened
  position bigint not null,                            -- events up to here have their delivery rows
  failures integer not null default 0,                 -- in a row; at five the breaker opens
  failing_since timestamptz,                           -- first failure since the last success
  paused_until timestamptz,                            -- the breaker, or what the receiver asked for
  disabled_at timestamptz,
  disabled_reason text                                 -- gone, failing
)`.execute(db)
  await sql`
create table webhook_delivery (
  endpoint text not null references webhook_endpoint (id) on delete cascade,
  position bigint not null,                            -- of the event; its content stays in the log
  message_id text not null,                            -- the header webhook-id: the same at every try and replay
  event_type text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  replays integer not null default 0,                  -- with attempts: what fences a late outcome
  next_at timestamptz not null default clock_timestamp(),
  last_at timestamptz,
  last_status integer,                                 -- HTTP; null: no answer
  last_error text,                                     -- a word of ours: timeout, refused, status, pruned ...
  created_at timestamptz not null default clock_timestamp(),
  primary key (endpoint, position)
)`.execute(db)
  await sql`
create index webhook_delivery_waiting on webhook_delivery (endpoint, position) where state = 'pending'`.execute(db)
  await sql`create index webhook_delivery_old on webhook_delivery (created_at)`.execute(db)
}
