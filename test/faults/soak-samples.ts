import { readdir } from 'node:fs/promises'
import { percentile, usage } from '../bench/scope.js'
import { query } from './database.js'
import type { Point } from './slope.js'
import type { World } from './world.js'

/** What is looked at every ten seconds. */
export const measures = Object.freeze({
  heapMb: 'memory in use by objects of the node that lives through it all, MB',
  rssMb: 'its memory as the system counts it, MB',
  fds: 'its open files and sockets',
  dead: 'dead tuples in tables that must not grow (inbox in waiting, outbox, jobs, shards, leases …)',
  deadShare: 'dead tuples in all tables, % of all tuples',
  workMb: 'size of the tables that must not grow, MB',
  p99Ms: 'p99 from the door to the agent’s screen between the faults, ms',
})
export type Measure = keyof typeof measures

export interface Samples {
  readonly series: Readonly<Record<Measure, Point[]>>
  /** Bytes of the whole database at the end less those at the beginning. */
  readonly grownBytes: () => number
  /** KB of each table that must not grow, at every sample. */
  readonly tables: readonly Readonly<Record<string, number>>[]
  stop(): Promise<void>
}

const EVERY_MS = 10_000
/** A window counts for p99 when no fault was under way, nor in its aftermath. */
const AFTERMATH_MS = 10_000

interface Row extends Record<string, unknown> {
  readonly dead: number
  readonly share: number
  readonly total: number
  readonly tables: Readonly<Record<string, number>>
}

const working = `(n.nspname = 'graphile_worker' or c.relname in ('inbox_waiting', 'outbox', 'shard', 'lane_trouble', 'lease',
  'node', 'presence_session', 'agent_load', 'channel_limit', 'event_head'))`

const sizes = `
  select (select coalesce(sum(s.n_dead_tup), 0) from pg_stat_user_tables s join pg_class c on c.oid = s.relid
      join pg_namespace n on n.oid = c.relnamespace where ${working})::float8 as dead,
    (select 100.0 * sum(n_dead_tup) / greatest(1, sum(n_live_tup + n_dead_tup)) from pg_stat_user_tables)::float8 as share,
    (select json_object_agg(c.relname, pg_total_relation_size(c.oid) / 1024) from pg_class c
      join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and ${working}) as tables,
    pg_database_size(current_database())::float8 as total`

/** @param troubled milliseconds of `performance.now()` of the last moment a fault was under way; Infinity while one is. */
export function startSamples(world: World, troubled: () => number): Samples {
  const series: Record<Measure, Point[]> = {
    heapMb: [],
    rssMb: [],
    fds: [],
    dead: [],
    deadShare: [],
    workMb: [],
    p99Ms: [],
  }
  const tables: Readonly<Record<string, number>>[] = []
  const began = performance.now()
  let first: number | null = null
  let last = 0
  let shown = world.desk.seen.length
  const sample = async (): Promise<void> => {
    const now = performance.now()
    const at = (now - began) / 1_000
    const fresh = world.desk.seen.slice(shown)
    shown += fresh.length
    if (now - troubled() > AFTERMATH_MS + EVERY_MS && fresh.length > 20) {
      const times = fresh.map((id) => (world.desk.seenAt.get(id) ?? 0) - (world.traffic.sentAt.get(id) ?? 0))
      series.p99Ms.push({ at, value: percentile(times, 0.99) })
    }
    const node = world.nodes[0]
    if (node) {
      const heap = await heapOf(node.url).catch(() => null)
      if (heap !== null) series.heapMb.push({ at, value: heap / 1_024 ** 2 })
      series.rssMb.push({ at, value: (await usage(node.pid)).rssMb })
      series.fds.push({ at, value: (await readdir(`/proc/${node.pid}/fd`)).length })
    }
    // PostgreSQL may be away just now.
    const [row] = await query<Row>(world.databaseUrl, sizes).catch(() => [])
    if (row === undefined) return
    series.dead.push({ at, value: row.dead })
    series.deadShare.push({ at, value: row.share })
    series.workMb.push({ at, value: Object.values(row.tables).reduce((sum, kb) => sum + kb, 0) / 1_024 })
    tables.push(row.tables)
    first ??= row.total
    last = row.total
  }
  let running = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(sample).catch(() => undefined)
  }, EVERY_MS)
  return {
    series,
    tables,
    grownBytes: () => last - (first ?? last),
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}

async function heapOf(url: string): Promise<number> {
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(3_000) })
  const bytes = Number(/^nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)$/m.exec(await answer.text())?.[1])
  if (!(bytes > 0)) throw new Error(`${url}/metrics does not tell the heap`)
  return bytes
}
