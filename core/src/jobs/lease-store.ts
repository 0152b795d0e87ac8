import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

/** Rows of `lease`. Database time decides; the token fences: whoever lost the lease can neither renew nor release it. */
export interface LeaseStore {
  acquire(lease: {
    readonly name: string
    readonly node: string
    readonly token: string
    readonly ttlMs: number
    readonly dueMs: number | null
  }): Promise<boolean>
  renew(name: string, token: string, ttlMs: number): Promise<boolean>
  release(name: string, token: string): Promise<void>
  /** Nodes that are dead for sure lead nothing any more. */
  releaseAllOf(nodes: readonly string[]): Promise<void>
}

export function createLeaseStore(db: Kysely<Tables>): LeaseStore {
  return Object.freeze({
    async acquire({ name, node, token, ttlMs, dueMs }) {
      const { rows } = await sql`
        insert into lease as l (name, node_id, token, until, last_run_at)
        values (${name}, ${node}, ${token}, clock_timestamp() + ${ttlMs}::float8 * interval '1 ms', clock_timestamp())
        on conflict (name) do update
          set node_id = excluded.node_id, token = excluded.token, until = excluded.until,
              last_run_at = excluded.last_run_at
          where l.until <= clock_timestamp()
            and (${dueMs}::float8 is null or l.last_run_at is null
              or l.last_run_at <= clock_timestamp() - ${dueMs}::float8 * interval '1 ms')
        returning l.name`.execute(db)
      return rows.length === 1
    },
    async renew(name, token, ttlMs) {
      const { rows } = await sql`
        update lease set until = clock_timestamp() + ${ttlMs}::float8 * interval '1 ms'
        where name = ${name} and token = ${token} returning name`.execute(db)
      return rows.length === 1
    },
    async release(name, token) {
      await sql`
        update lease set until = clock_timestamp(), token = null, node_id = null
        where name = ${name} and token = ${token}`.execute(db)
    },
    async releaseAllOf(nodes) {
      await sql`
        update lease set until = clock_timestamp(), token = null, node_id = null
        where node_id = any(${[...nodes]}::uuid[])`.execute(db)
    },
  } satisfies LeaseStore)
}
