import { sql, type Kysely, type Transaction } from 'kysely'
import type { InboundEvent } from '@throughline/plugin-sdk'
import type { Tables } from '../store/tables.js'

/** A waiting row in hand. */
export interface InboxRow {
  readonly id: number
  readonly shard: number
  readonly channel: string
  readonly externalId: string
  readonly lane: string
  readonly event: InboundEvent & { readonly at: number }
  readonly receivedAt: Date
  /** Times a process died with it in hand. */
  readonly crashes: number
}

/** A row in hand, before it is read. */
export type HandRow = Pick<InboxRow, 'id' | 'shard' | 'crashes'>

/** The right to apply rows of these shards for a while. Every batch has a token of its own. */
export interface Claim {
  readonly token: string
  readonly shards: readonly number[]
}

export interface Claimed {
  readonly claim: Claim
  readonly hand: readonly HandRow[]
}

const LEASE = '30 seconds'

/**
 * Claims those of the wanted shards that are free and have work, and names the rows in hand; none when there is nothing to
 * do or others drain them. Lock: the shards' rows, skipped where somebody else is at it.
 */
export async function claimShards(
  db: Kysely<Tables>,
  wanted: readonly number[],
  owner: { readonly node: string; readonly token: string },
  batch: number,
): Promise<Claimed> {
  const { rows } = await sql<{ row_id: number; row_shard: number; row_crashes: number }>`
    select row_id, row_shard, row_crashes from claim_shards(${wanted}::smallint[], ${owner.node}::uuid, ${owner.token}::uuid,
      ${LEASE}::interval, ${batch}::int)`.execute(db)
  const shards = [...new Set(rows.map((row) => row.row_shard))]
  const hand = rows.map((row) => ({ id: row.row_id, shard: row.row_shard, crashes: row.row_crashes }))
  return { claim: { token: owner.token, shards }, hand }
}

/** The rows in hand, but those of a lane that was set aside meanwhile: they stay behind its head. */
export async function readInHand(db: Kysely<Tables>, hand: readonly HandRow[]): Promise<readonly InboxRow[]> {
  const { rows } = await sql<InboxRow>`
    select i.id, i.shard, i.channel, i.external_id as "externalId", i.lane, i.event, i.received_at as "receivedAt", w.crashes
    from unnest(${hand.map((row) => row.shard)}::smallint[], ${hand.map((row) => row.id)}::bigint[]) as h(shard, id)
    join inbox_waiting w on w.shard = h.shard and w.id = h.id
    join inbox i on i.id = h.id
    where not exists (select 1 from lane_trouble l where l.lane = w.lane and l.retry_at > clock_timestamp())
    order by i.id`.execute(db)
  return rows
}

/** Rows that were applied without any effect say why. */
export async function remarkRows(trx: Transaction<Tables>, remarks: ReadonlyMap<number, string>): Promise<void> {
  if (remarks.size === 0) return
  await sql`
    update inbox i set code = r.code
    from unnest(${[...remarks.keys()]}::bigint[], ${[...remarks.values()]}::text[]) as r(id, code)
    where i.id = r.id`.execute(trx)
}

/** What `claim_lost()` raises. */
const CLAIM_LOST = 'TL001'

/** The claim was lost: somebody else drains its shards. The transaction was rolled back. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost'
}

/**
 * The closing statement of every batch: its rows wait no more, lanes tried again are in trouble no more, and the fence: the
 * claim must still be ours, and is given up.
 * Throws ClaimLost, and ends the transaction, where it is somebody else's by now (F4); so the commit may be sent before the
 * answer to this is known. While a failed batch is applied in parts, the claim is kept for the next part.
 *
 * The commit that follows does not wait for the disk: nobody hears of it before the sequencer's commit, which does and takes
 * this one along; if the server dies in between, the rows still wait in the inbox.
 */
export async function closeBatch(
  trx: Transaction<Tables>,
  claim: Claim,
  rows: readonly InboxRow[],
  keep: boolean,
  retried: readonly string[],
): Promise<void> {
  const closed = sql`
    with cleared as (
      delete from lane_trouble where lane = any(${retried}::text[])
    ), ended as (
      delete from inbox_waiting w
      using unnest(${rows.map((row) => row.shard)}::smallint[], ${rows.map((row) => row.id)}::bigint[]) as e(shard, id)
      where w.shard = e.shard and w.id = e.id
    ), fence as (
      update shard s set
        claim_token = case when ${keep} then s.claim_token end,
        lease_until = case when ${keep} then clock_timestamp() + ${LEASE}::interval end,
        in_hand = case when ${keep} then s.in_hand else '{}' end
      where s.id = any(${claim.shards}::smallint[]) and s.claim_token = ${claim.token}::uuid
      returning 1
    )
    select case when count(*) = ${claim.shards.length}::int then 0 else claim_lost() end,
      set_config('synchronous_commit', 'off', true) from fence`.execute(trx)
  await closed.catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== CLAIM_LOST) throw error
    throw new ClaimLost(`the claim of the shards ${claim.shards.join(', ')} is not ours any more`, { cause: error })
  })
}

/** Gives the claim up without having done anything with the rest in hand. */
export async function releaseClaim(db: Kysely<Tables>, claim: Claim): Promise<void> {
  await sql`
    update shard set claim_token = null, lease_until = null, in_hand = '{}'
    where id = any(${claim.shards}::smallint[]) and claim_token = ${claim.token}::uuid`.execute(db)
}

/** The claims of nodes that are dead for sure lapse now instead of at the end of their lease; whoever takes over counts it. */
export async function lapseClaims(db: Kysely<Tables>, nodes: readonly string[]): Promise<void> {
  await sql`
    update shard set lease_until = clock_timestamp() - interval '1 ms'
    where node_id = any(${[...nodes]}::uuid[]) and claim_token is not null`.execute(db)
}

const TRIES = 5
const PATIENCE = '2 minutes'

/**
 * The head of a lane failed: the lane is set aside and tried again later, so that its neighbours go on. After five tries or
 * two minutes the row is parked instead and the lane continues behind it. Answers what was done.
 */
export async function setLaneAside(db: Kysely<Tables>, row: InboxRow, reason: string): Promise<'waits' | 'parked'> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ spent: boolean }>`
      insert into lane_trouble as l (lane, shard, attempts, retry_at, inbox_id)
      values (${row.lane}, ${row.shard}, 1, clock_timestamp() + interval '1 second', ${row.id})
      on conflict (lane) do update set
        attempts = case when l.inbox_id = excluded.inbox_id then l.attempts + 1 else 1 end,
        first_failed_at = case when l.inbox_id = excluded.inbox_id then l.first_failed_at else now() end,
        retry_at = clock_timestamp() + make_interval(secs => least(30, power(2, l.attempts))),
        inbox_id = excluded.inbox_id
      returning attempts >= ${TRIES} or first_failed_at < now() - ${PATIENCE}::interval as spent`.execute(trx)
    if (rows[0]?.spent !== true) return 'waits'
    await parkRow(trx, row, 'apply_failed', reason)
    await sql`delete from lane_trouble where lane = ${row.lane}`.execute(trx)
    return 'parked'
  })
}

/** The row waits no more; it stays visible, with its raw body, until somebody replays it. */
export async function parkRow(
  db: Kysely<Tables>,
  row: Pick<InboxRow, 'id' | 'shard'>,
  code: string,
  reason: string,
): Promise<void> {
  await sql`
    with parked as (delete from inbox_waiting where shard = ${row.shard} and id = ${row.id})
    update inbox set state = 'parked', code = ${code}, reason = ${reason.slice(0, 500)} where id = ${row.id}`.execute(
    db,
  )
}

/** Shards with lanes whose waiting time is over. */
export async function shardsToRetry(db: Kysely<Tables>): Promise<number[]> {
  const { rows } = await sql<{ shard: number }>`
    select distinct shard from lane_trouble where retry_at <= clock_timestamp()`.execute(db)
  return rows.map((row) => row.shard)
}
