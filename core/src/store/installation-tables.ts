import type { Generated } from 'kysely'

/** The installation, its nodes and what they lease. */

export interface InstallationTable {
  id: Generated<boolean>
  epoch: Generated<string>
  root_key: Generated<Buffer>
  shards: Generated<number>
  created_at: Generated<Date>
}

export interface NodeTable {
  id: string
  pool_id: string | null
  host: string
  roles: string[]
  release: string
  started_at: Generated<Date>
  heartbeat_at: Generated<Date>
  stopped_at: Date | null
  /** See jobs/process-mark.ts. */
  process: Generated<string | null>
}

export interface LeaseTable {
  name: string
  node_id: string | null
  token: string | null
  until: Date
  last_run_at: Date | null
}
