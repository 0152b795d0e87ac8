import type { Generated } from 'kysely'

export interface RuleVersionTable {
  kind: string
  digest: string
  version: string
  body: string
  live_at: Generated<Date>
  withdrawn_at: Date | null
  withdrawn_reason: string | null
}
