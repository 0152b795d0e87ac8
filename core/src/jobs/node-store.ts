import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import { unlockPools } from './job-store.js'

/** Advisory lock of the reaper: one node at a time looks for dead ones. */
const reaperLock = '7310582249134503'
/** graphile numbers its tasks with an int and burns a number at every add; long before the end we count again. */
const taskNumbersWarn = 1_000_000_000

export interface NodeIdentity {
  readonly id: string
  readonly host: string
  readonly roles: readonly string[]
  readonly release: string
  /** See process-mark.ts; null where the system does not tell. */
  readonly process: string | null
}

/** Rows of `node`: who is alive, and under which pool id graphile-worker locks its jobs. */
export interface NodeStore {
  /** Also revives a row that the reaper took for dead (a machine that slept). */
  beat(node: NodeIdentity, poolId: string | null): Promise<void>
  stopped(node: string): Promise<void>
  /** Hands back the jobs of nodes whose process has ended, as `ended` can tell from its mark. Answers their ids. */
  reapEnded(ended: (process: string) => boolean): Promise<readonly string[]>
  /** Hands back the jobs of nodes silent for `silentMs`. Answers their ids; null: another node is at it. */
  reap(silentMs: number): Promise<readonly string[] | null>
}

export function createNodeStore(db: Kysely<Tables>): NodeStore {
  return Object.freeze({
    async beat(node, poolId) {
      await sql`
        insert into node (id, pool_id, host, roles, release, process)
        values (${node.id}, ${poolId}, ${node.host}, ${[...node.roles]}::text[], ${node.release}, ${node.process})
        on conflict (id) do update set pool_id = excluded.pool_id, heartbeat_at = clock_timestamp(), stopped_at = null`.execute(
        db,
      )
    },
    async stopped(node) {
      await sql`update node set stopped_at = clock_timestamp(), pool_id = null where id = ${node}`.execute(db)
    },
    async reapEnded(ended) {
      const { rows } = await sql<{ id: string; process: string }>`
        select id, process from node where stopped_at is null and process is not null`.execute(db)
      const dead = rows.filter(({ process }) => ended(process)).map(({ id }) => id)
      if (dead.length === 0) return []
      return db.transaction().execute(async (trx) => {
        const pools = await sql<{ id: string; pool_id: string | null }>`
          with dead as (select id, pool_id from node where id = any(${dead}::uuid[]) and stopped_at is null for update)
          update node set stopped_at = clock_timestamp(), pool_id = null from dead where node.id = dead.id
          returning node.id, dead.pool_id`.execute(trx)
        await unlockPools(
          trx,
          pools.rows.flatMap(({ pool_id }) => pool_id ?? []),
        )
        return pools.rows.map(({ id }) => id)
      })
    },
    async reap(silentMs) {
      return db.transaction().execute(async (trx) => {
        const { rows } = await sql<{ mine: boolean }>`select pg_try_advisory_xact_lock(${reaperLock}) as mine`.execute(
          trx,
        )
        if (rows[0]?.mine !== true) return null
        const dead = await sql<{ id: string; pool_id: string | null }>`
          with dead as (
            select id, pool_id from node
            where stopped_at is null and heartbeat_at < clock_timestamp() - ${silentMs}::float8 * interval '1 ms'
            for update
          )
          update node set stopped_at = clock_timestamp(), pool_id = null
          from dead where node.id = dead.id
          returning node.id, dead.pool_id`.execute(trx)
        // Also pools that no living node knows: a pool that failed and was replaced, a node whose row never got it.
        const orphans = await sql<{ pool: string }>`
          select distinct j.locked_by as pool from graphile_worker.jobs j
          where j.locked_by is not null and j.locked_at < clock_timestamp() - ${silentMs}::float8 * interval '1 ms'
            and not exists (select 1 from node n where n.pool_id = j.locked_by)`.execute(trx)
        const pools = [...dead.rows.flatMap((row) => row.pool_id ?? []), ...orphans.rows.map((row) => row.pool)]
        await unlockPools(trx, pools)
        await sql`delete from node where stopped_at < clock_timestamp() - interval '1 day'`.execute(trx)
        await restartTaskNumbers(trx)
        return dead.rows.map((row) => row.id)
      })
    },
  } satisfies NodeStore)
}

/**
 * `add_jobs` inserts the task's name with ON CONFLICT DO NOTHING, which takes a number of an int4 sequence each time; at a
 * thousand adds a second it would end after 25 days, and adding jobs with it. The lock keeps new names out meanwhile.
 */
async function restartTaskNumbers(trx: Kysely<Tables>): Promise<void> {
  const sequence = sql`pg_get_serial_sequence('graphile_worker._private_tasks', 'id')::regclass`
  const { rows } = await sql<{ last: number | null }>`select pg_sequence_last_value(${sequence}) as last`.execute(trx)
  if ((rows[0]?.last ?? 0) < taskNumbersWarn) return
  await sql`lock table graphile_worker._private_tasks in share row exclusive mode`.execute(trx)
  await sql`
    select setval(${sequence}, (select coalesce(max(id), 1) from graphile_worker._private_tasks))`.execute(trx)
}
