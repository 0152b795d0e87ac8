import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'

/**
 * Limits shared by all nodes, by database time. `channel_limit` has one row a channel (its bucket and its pause) and, for
 * channels that limit a single thread, short-lived rows named `<channel>/<thread>`.
 */

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/**
 * Opens the bucket of a channel; the row lock is held until the transaction ends, so two nodes never spend one token.
 * Call `spend` with what was used.
 */
export async function openBucket(
  trx: Transaction<Tables>,
  channel: string,
  rate: Rate,
): Promise<{ readonly tokens: number; spend(count: number): Promise<void> }> {
  await sql`
    insert into channel_limit (channel, tokens, refilled_at) values (${channel}, ${rate.burst}, clock_timestamp())
    on conflict (channel) do nothing`.execute(trx)
  await sql`select 1 from channel_limit where channel = ${channel} for update`.execute(trx)
  // A second statement: the time is read after the lock was granted, else two nodes would count the same second twice.
  const { rows } = await sql<{ tokens: number }>`
    update channel_limit set refilled_at = clock_timestamp(),
      tokens = least(${rate.burst}::double precision,
        tokens + greatest(0, extract(epoch from clock_timestamp() - refilled_at)::double precision)
          * ${rate.perSecond}::double precision)
    where channel = ${channel} returning tokens`.execute(trx)
  return {
    tokens: rows[0]?.tokens ?? 0,
    async spend(count) {
      await sql`update channel_limit set tokens = tokens - ${count} where channel = ${channel}`.execute(trx)
    },
  }
}

/** The row that holds one thread; `claimHeads` puts its name together in the same way. */
export const threadKey = (channel: string, thread: string): string => `${channel}/${thread}`

/** Holds all lanes of a channel, or of a thread by its key; a longer pause is never shortened. */
export async function pauseLanes(db: Kysely<Tables>, channel: string, ms: number, reason: string): Promise<void> {
  await sql`
    insert into channel_limit (channel, tokens, refilled_at, paused_until, pause_reason)
    values (${channel}, 0, clock_timestamp(), clock_timestamp() + ${ms} * interval '1 millisecond', ${reason})
    on conflict (channel) do update set pause_reason = excluded.pause_reason,
      paused_until = greatest(channel_limit.paused_until, excluded.paused_until)`.execute(db)
}

/** How long a channel is still paused; 0: not at all. */
export async function pausedFor(db: Kysely<Tables> | Transaction<Tables>, channel: string): Promise<number> {
  const { rows } = await sql<{ ms: number }>`
    select greatest(0, ceil(extract(epoch from paused_until - clock_timestamp()) * 1000))::integer as ms
    from channel_limit where channel = ${channel} and paused_until is not null`.execute(db)
  return rows[0]?.ms ?? 0
}

/** Starts the time in which nothing more is sent to these threads. */
export async function holdThreads(
  trx: Transaction<Tables>,
  channel: string,
  threads: readonly string[],
  ms: number,
): Promise<void> {
  if (threads.length === 0) return
  await sql`
    insert into channel_limit (channel, tokens, refilled_at, paused_until)
    select ${channel} || '/' || thread, 0, clock_timestamp(), clock_timestamp() + ${ms} * interval '1 millisecond'
    from unnest(${[...new Set(threads)].sort()}::text[]) thread
    on conflict (channel) do update set paused_until = greatest(channel_limit.paused_until, excluded.paused_until)`.execute(
    trx,
  )
}

export async function forgetThreads(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from channel_limit
    where strpos(channel, '/') > 0 and paused_until < clock_timestamp() - interval '1 minute'`.execute(db)
}
