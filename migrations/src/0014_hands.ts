import { sql, type Kysely } from 'kysely'

/** Which node has a part in hand: what a dead one had is settled without waiting for its lease. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `
alter table send add column node_id uuid;
create index send_in_hand on send (lease_until) where state = 'sending';
`,
    )
    .execute(db)
}
