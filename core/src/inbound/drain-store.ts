import { sql, type Kysely, type Transaction } from 'kysely'
import type { InboundEvent } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'

/** An undrained row in hand. */
export interface InboxRow {
  readonly id: number
  readonly channel: string
  readonly externalId: string
  readonly lane: string
  readonly event: InboundEvent & { readonly at: number }
  readonly receivedAt: Date
  /** Times a process died with it in hand. */
  readonly crashes: number
}

export interface Claim {
  readonly shard: number
  readonly node: string
  readonly token: string
}

const LEASE = '30 seconds'

/** Takes the claim and names the rows in hand; empty when somebody else drains the shard or nothing is to do. */
export async function claimShard(db: Kysely<Tables>, claim: Claim, batch: number): Promise<number[]> {
  const { rows } = await sql<{ row_id: number }>`
    select row_id from claim_shard(${claim.shard}::smallint, ${claim.node}::uuid, ${claim.token}::uuid, ${LEASE}::interval, ${batch}::int)`.execute(
    db,
  )
  return rows.map((row) => row.row_id)
}

export async function readInHand(trx: Kysely<Tables>, ids: readonly number[]): Promise<InboxRow[]> {
  const { rows } = await sql<InboxRow>`
    select id, channel, external_id as "externalId", lane, event, received_at as "receivedAt", crashes
    from inbox where id = any(${ids}::bigint[]) and state = 'new' order by id`.execute(trx)
  return rows
}

/** How a row ended: applied (with a remark where it had no effect) or parked. */
export interface RowEnd {
  readonly id: number
  readonly state: 'done' | 'parked'
  readonly code: string | null
  readonly reason: string | null
}

export async function endRows(trx: Transaction<Tables>, ends: readonly RowEnd[]): Promise<void> {
  if (ends.length === 0) return
  await sql`
    update inbox i set state = e.state, code = e.code, reason = e.reason, done_at = now()
    from unnest(${ends.map((e) => e.id)}::bigint[], ${ends.map((e) => e.state)}::text[], ${ends.map((e) => e.code)}::text[],
      ${ends.map((e) => e.reason)}::text[]) as e(id, state, code, reason)
    where i.id = e.id`.execute(trx)
}

/**
 * The closing statement of every batch: the fence. Renews the claim with the rows of the next batch, or gives it up when
 * there are none. null: the claim is not ours any more, so the caller must roll back (F4).
 */
export async function closeBatch(
  trx: Transaction<Tables>,
  claim: Claim,
  batch: number,
  handled: readonly number[],
): Promise<number[] | null> {
  const { rows } = await sql<{ in_hand: number[] }>`
    with next as materialized (
      select next_in_hand(${claim.shard}::smallint, ${batch}::int, ${handled}::bigint[]) as ids
    )
    update shard s set
      in_hand = next.ids,
      claim_token = case when next.ids = '{}' then null else s.claim_token end,
      lease_until = case when next.ids = '{}' then null else clock_timestamp() + ${LEASE}::interval end
    from next
    where s.id = ${claim.shard} and s.claim_token = ${claim.token}::uuid
    returning s.in_hand`.execute(trx)
  return rows[0]?.in_hand ?? null
}

/** Gives the claim up without having done anything with the rest in hand. */
export async function releaseShard(db: Kysely<Tables>, claim: Claim): Promise<void> {
  await sql`
    update shard set claim_token = null, lease_until = null, in_hand = '{}'
    where id = ${claim.shard} and claim_token = ${claim.token}::uuid`.execute(db)
}

const TRIES = 5
const PATIENCE = '2 minutes'

/**
 * The head of a lane failed: the lane is set aside and tried again later, so that its neighbours go on. After five tries or
 * two minutes the row is parked instead and the lane continues behind it. Answers what was done.
 */
export async function setLaneAside(
  db: Kysely<Tables>,
  row: InboxRow,
  shard: number,
  reason: string,
): Promise<'waits' | 'parked'> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ spent: boolean }>`
      insert into lane_trouble as l (lane, shard, attempts, retry_at, inbox_id)
      values (${row.lane}, ${shard}, 1, clock_timestamp() + interval '1 second', ${row.id})
      on conflict (lane) do update set
        attempts = case when l.inbox_id = excluded.inbox_id then l.attempts + 1 else 1 end,
        first_failed_at = case when l.inbox_id = excluded.inbox_id then l.first_failed_at else now() end,
        retry_at = clock_timestamp() + make_interval(secs => least(30, power(2, l.attempts))),
        inbox_id = excluded.inbox_id
      returning attempts >= ${TRIES} or first_failed_at < now() - ${PATIENCE}::interval as spent`.execute(trx)
    if (rows[0]?.spent !== true) return 'waits'
    await endRows(trx, [{ id: row.id, state: 'parked', code: 'apply_failed', reason: reason.slice(0, 500) }])
    await sql`delete from lane_trouble where lane = ${row.lane}`.execute(trx)
    return 'parked'
  })
}

export async function clearTrouble(trx: Transaction<Tables>, lanes: readonly string[]): Promise<void> {
  await sql`delete from lane_trouble where lane = any(${lanes}::text[])`.execute(trx)
}

/** Shards with lanes whose waiting time is over. */
export async function shardsToRetry(db: Kysely<Tables>): Promise<number[]> {
  const { rows } = await sql<{ shard: number }>`
    select distinct shard from lane_trouble where retry_at <= clock_timestamp()`.execute(db)
  return rows.map((row) => row.shard)
}
