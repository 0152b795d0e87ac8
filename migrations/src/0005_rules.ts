import { sql, type Kysely } from 'kysely'

/** Versions of rule files that were good enough to go live: what a node falls back to, also after a restart. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
create table rule_version (
  kind text not null,                                  -- routing, continuity, sla, ...
  digest text not null,                                -- of the text: an edit without a new $version is another version
  version text not null,
  body text not null,                                  -- the file as it was; rules are the operator's, never a customer's
  live_at timestamptz not null default now(),          -- last time a node took it
  withdrawn_at timestamptz,                            -- it failed three times in a minute; not taken again
  withdrawn_reason text,
  primary key (kind, digest)
)`.execute(db)
  await sql`create index rule_version_latest on rule_version (kind, live_at desc)`.execute(db)
  await sql`create index routing_decision_at on routing_decision (at)`.execute(db)
}
