import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { NewJob } from './contract.js'

/** A job fails for good only after this many tries; attempts are also used up by crashes (they count when locked). */
const maxAttempts = 25

/**
 * One statement for all jobs (two when only some keep their time). Keys are sorted, so that concurrent callers take row
 * locks in one order, and unique, because an upsert cannot touch a row twice; the last one wins.
 */
export async function addJobs(db: Kysely<Tables> | Transaction<Tables>, jobs: readonly NewJob[]): Promise<void> {
  const unique = new Map<string, NewJob>()
  jobs.forEach((job, index) => unique.set(job.key === undefined ? `#${index}` : `k${job.key}`, job))
  const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, job]) => job)
  for (const keep of [false, true]) {
    const group = sorted.filter((job) => (job.keepRunAt ?? false) === keep)
    if (group.length > 0) await insert(db, group, keep)
  }
}

async function insert(db: Kysely<Tables>, jobs: readonly NewJob[], keepRunAt: boolean): Promise<void> {
  const rows = jobs.map((job) => ({
    task: job.task,
    payload: job.payload ?? {},
    at: job.runAt ?? null,
    key: job.key ?? null,
  }))
  await sql`
    select count(*) from graphile_worker.add_jobs(
      array(
        select (j.task, j.payload, null, j.at, ${maxAttempts}::int, j.key, 0, null)::graphile_worker.job_spec
        from json_to_recordset(${JSON.stringify(rows)}::json) as j(task text, payload json, at timestamptz, key text)
      ), ${keepRunAt})`.execute(db)
}

/** Gives the jobs of pools that are gone back to the others. The attempt they burnt stays burnt. */
export async function unlockPools(db: Kysely<Tables>, pools: readonly string[]): Promise<void> {
  if (pools.length === 0) return
  await sql`select graphile_worker.force_unlock_workers(${[...pools]}::text[])`.execute(db)
}
