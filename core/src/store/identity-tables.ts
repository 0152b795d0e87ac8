import type { ColumnType, Generated } from 'kysely'
import type { Json } from './json-column.js'

/** Who the customers are. */

export interface ContactTable {
  id: string
  name: string | null
  language: string | null
  time_zone: string | null
  tier: string | null
  attributes: ColumnType<unknown, string | undefined, string>
  account_manager: string | null
  joined_into: string | null
  consent: boolean | null
  version: Generated<number>
  created_at: Generated<Date>
}

export interface IdentifierTable {
  id: string
  contact_id: string
  kind: string
  value: string
  assurance: string
  resolves: boolean
  evidence: string
  channel: string | null
  created_at: Generated<Date>
}

export interface ContactJoinTable {
  id: string
  from_contact: string
  into_contact: string
  evidence: string
  actor_kind: string
  actor_id: string | null
  at: Generated<Date>
  moved: Json
  undone_at: Date | null
  undone_by: string | null
}

export interface IdentitySuggestionTable {
  id: string
  contact_a: string
  contact_b: string
  kind: string
  value: string
  confidence: number
  evidence: string
  state: Generated<string>
  at: Generated<Date>
  decided_at: Date | null
  decided_by: string | null
}
