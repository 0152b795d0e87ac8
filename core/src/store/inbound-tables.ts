import type { ColumnType, Generated, GeneratedAlways } from 'kysely'

/** What came in and who has it in hand. */

export interface InboxTable {
  id: GeneratedAlways<number>
  channel: string
  external_id: string
  lane: string
  shard: number
  state: Generated<string>
  event: ColumnType<unknown, string | null, string | null>
  request: string
  raw: Buffer | null
  headers: ColumnType<unknown, string | null, string | null>
  received_at: Generated<Date>
  code: string | null
  reason: string | null
}

export interface InboxWaitingTable {
  shard: number
  id: number
  lane: string
  crashes: Generated<number>
}

export interface ShardTable {
  id: number
  claim_token: string | null
  node_id: string | null
  lease_until: Date | null
  in_hand: Generated<number[]>
}

export interface LaneTroubleTable {
  lane: string
  shard: number
  attempts: number
  first_failed_at: Generated<Date>
  retry_at: Date
  inbox_id: number
}
