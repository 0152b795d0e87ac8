import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { ParkedEvent } from './contract.js'

/** A row about to enter the inbox. */
export interface NewInboxRow {
  readonly channel: string
  readonly externalId: string
  readonly lane: string
  readonly shard: number
  readonly event: string | null
  readonly request: string
  readonly raw: Buffer | null
  readonly headers: string | null
  /** Set: the row is parked at once, with this code and reason. */
  readonly parked: { readonly code: string; readonly reason: string } | null
}

export interface Stored {
  readonly id: number
  readonly receivedAt: Date
}

/**
 * Group commit at the door: one statement for the rows of many requests. Idempotency key: unique (channel, external_id);
 * what is there already is skipped. What is not parked waits for the drain. Answers what was stored by key, so that each request
 * can be told stored from duplicate.
 */
export async function insertInbox(db: Kysely<Tables>, rows: readonly NewInboxRow[]): Promise<Map<string, Stored>> {
  const { rows: stored } = await sql<{ id: number; channel: string; external_id: string; at: number }>`
    with stored as (
    insert into inbox (channel, external_id, lane, shard, event, request, raw, headers, state, code, reason)
    select * from unnest(
      ${rows.map((r) => r.channel)}::text[],
      ${rows.map((r) => r.externalId)}::text[],
      ${rows.map((r) => r.lane)}::text[],
      ${rows.map((r) => r.shard)}::smallint[],
      ${rows.map((r) => r.event)}::json[],
      ${rows.map((r) => r.request)}::uuid[],
      ${rows.map((r) => r.raw)}::bytea[],
      ${rows.map((r) => r.headers)}::json[],
      ${rows.map((r) => (r.parked ? 'parked' : 'accepted'))}::text[],
      ${rows.map((r) => r.parked?.code ?? null)}::text[],
      ${rows.map((r) => r.parked?.reason ?? null)}::text[])
    on conflict (channel, external_id) do nothing
    returning id, shard, lane, state, channel, external_id, received_at
    ), waiting as (
      insert into inbox_waiting (shard, id, lane) select shard, id, lane from stored where state = 'accepted'
    )
    select id, channel, external_id, (extract(epoch from received_at) * 1000)::float8 as at from stored`.execute(db)
  return new Map(
    stored.map((row) => [inboxKey(row.channel, row.external_id), { id: row.id, receivedAt: new Date(row.at) }]),
  )
}

export function inboxKey(channel: string, externalId: string): string {
  return `${channel}\n${externalId}`
}

const parkedColumns = sql.raw(
  'id, channel, external_id as "externalId", lane, code, reason, received_at as "receivedAt", raw is not null as "hasRaw"',
)

export async function listParked(
  db: Kysely<Tables>,
  filter: { channel?: string; limit: number; before?: number },
): Promise<ParkedEvent[]> {
  const { rows } = await sql<ParkedEvent>`
    select ${parkedColumns} from inbox
    where state = 'parked' and (${filter.channel ?? null}::text is null or channel = ${filter.channel ?? null})
      and (${filter.before ?? null}::bigint is null or id < ${filter.before ?? null})
    order by id desc limit ${filter.limit}`.execute(db)
  return rows
}

export type ParkedRow = ParkedEvent & {
  readonly event: unknown
  readonly headers: Record<string, string> | null
  readonly raw: Buffer | null
  readonly request: string
}

/** The raw body stands on the first row of a request; a parked sibling finds it there. */
export async function findParked(db: Kysely<Tables>, id: number): Promise<ParkedRow | null> {
  const { rows } = await sql<ParkedRow>`
    select i.id, i.channel, i.external_id as "externalId", i.lane, i.code, i.reason, i.received_at as "receivedAt",
      i.event, i.request, coalesce(i.headers, f.headers) as headers, coalesce(i.raw, f.raw) as raw,
      coalesce(i.raw, f.raw) is not null as "hasRaw"
    from inbox i
    left join lateral (
      select raw, headers from inbox s where i.raw is null and s.channel = i.channel and s.request = i.request
        and s.raw is not null and s.id between i.id - 2000 and i.id + 2000 limit 1
    ) f on true
    where i.id = ${id} and i.state = 'parked'`.execute(db)
  return rows[0] ?? null
}

export async function parkedIds(db: Kysely<Tables>, limit: number): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select id from inbox where state = 'parked' order by id limit ${limit}`.execute(db)
  return rows.map((row) => row.id)
}

/** A parked row becomes new again (same id, so it keeps its place in the lane); its event may have been parsed anew. */
export async function requeueParked(
  trx: Transaction<Tables>,
  row: { id: number; event: string; lane: string; shard: number; externalId: string },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    with row as (
    update inbox set state = 'accepted', event = ${row.event}::json, lane = ${row.lane}, shard = ${row.shard},
      external_id = ${row.externalId}, code = null, reason = null
    where id = ${row.id} and state = 'parked'
      and not exists (select 1 from inbox o where o.channel = inbox.channel and o.external_id = ${row.externalId} and o.id <> inbox.id)
    returning id, shard, lane
    )
    insert into inbox_waiting (shard, id, lane) select shard, id, lane from row`.execute(trx)
  return numAffectedRows === 1n
}

/** A parked row whose content turned out to be there already. */
export async function settleParked(trx: Transaction<Tables>, id: number, code: string): Promise<void> {
  await sql`update inbox set state = 'accepted', code = ${code} where id = ${id} and state = 'parked'`.execute(trx)
}

export async function countInbox(
  db: Kysely<Tables>,
): Promise<{ undrained: number; parked: number; oldestUndrainedS: number | null }> {
  const { rows } = await sql<{ undrained: number; parked: number; oldest: number | null }>`
    select (select count(*) from inbox_waiting) as undrained,
      (select count(*) from inbox where state = 'parked') as parked,
      (select extract(epoch from now() - received_at)::float8 from inbox
        where id = (select min(id) from inbox_waiting)) as oldest`.execute(db)
  const row = rows[0]
  return { undrained: row?.undrained ?? 0, parked: row?.parked ?? 0, oldestUndrainedS: row?.oldest ?? null }
}

/** Shards that have undrained rows and nobody draining them: what a lost hint or a dead node left behind. */
export async function idleShardsWithWork(db: Kysely<Tables>): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select s.id from shard s
    where (s.claim_token is null or s.lease_until < clock_timestamp())
      and exists (select 1 from inbox_waiting w where w.shard = s.id)`.execute(db)
  return rows.map((row) => row.id)
}

const PRUNE_ROWS = 10_000

/**
 * Retention: applied rows older than `days` go, parked and waiting ones stay. Walks by id, oldest first, and stops at the first
 * rows that are young, so that it reads no more than it deletes; a commit for each step. Answers how many went.
 */
export async function pruneInbox(db: Kysely<Tables>, days: number, step = PRUNE_ROWS): Promise<number> {
  let gone = 0
  for (let after = 0; ;) {
    const { rows } = await sql<{ last: number | null; gone: number; old: boolean | null }>`
      with walked as materialized (
        select i.id, i.shard, i.state, i.received_at < now() - make_interval(days => ${days}::int) as old
        from inbox i where i.id > ${after}::bigint order by i.id limit ${step}::int
      ), gone as (
        delete from inbox i using walked w
        where i.id = w.id and w.old and w.state = 'accepted'
          and not exists (select 1 from inbox_waiting x where x.shard = w.shard and x.id = w.id)
        returning 1
      )
      select (select max(id) from walked) as last, (select count(*)::int from gone) as gone,
        (select bool_and(old) from walked) as old`.execute(db)
    const found = rows[0]
    gone += found?.gone ?? 0
    if (found?.old !== true || found.last === null) return gone
    after = found.last
  }
}
