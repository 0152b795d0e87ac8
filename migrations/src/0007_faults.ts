import { sql, type Kysely } from 'kysely'

/** Which processes nodes are, and plugin instances that took their process down. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
-- The process behind a node: a later one on the same machine can tell that it has ended and frees what it held at once.
alter table node add column process text;

-- One strike: an instance in whose call the event loop stood still is not run again until somebody releases it. Written as a
-- suspicion while the call still lasts, because the process may end at any moment: taken back when the call returns,
-- confirmed when the watchdog ends the process, and as good as confirmed when neither came within 20 s.
create table plugin_quarantine (
  id uuid primary key,
  instance text not null,
  operation text not null,
  node_host text not null,
  struck_at timestamptz not null default clock_timestamp(),
  confirmed_at timestamptz,
  released_at timestamptz
);
create index plugin_quarantine_live on plugin_quarantine (instance) where released_at is null;
`,
    )
    .execute(db)
}
