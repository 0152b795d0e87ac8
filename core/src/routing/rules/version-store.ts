import { sql, type Kysely } from 'kysely'
import type { Tables } from '../../store/tables.js'
import type { RuleFileKind } from '../contract.js'

/** A rule file that was live once. */
export interface RuleVersion {
  readonly digest: string
  readonly version: string
  readonly text: string
}

/** Versions that were good, shared by all nodes: each node takes its own files first and falls back to these. */
export interface RuleVersions {
  /** The latest first, without those that were withdrawn. */
  good(kind: RuleFileKind): Promise<readonly RuleVersion[]>
  /** Why this text is not taken again; null: it was never withdrawn. */
  withdrawn(kind: RuleFileKind, digest: string): Promise<string | null>
  wentLive(kind: RuleFileKind, version: RuleVersion): Promise<void>
  withdraw(kind: RuleFileKind, digest: string, reason: string): Promise<void>
}

/** As many are kept of each file. */
const KEPT = 20

export function createRuleVersions(db: Kysely<Tables>): RuleVersions {
  return Object.freeze({
    async good(kind) {
      const { rows } = await sql<RuleVersion>`
        select digest, version, body as text from rule_version where kind = ${kind} and withdrawn_at is null
        order by live_at desc limit ${KEPT}`.execute(db)
      return rows
    },
    async withdrawn(kind, digest) {
      const { rows } = await sql<{ reason: string | null }>`
        select coalesce(withdrawn_reason, 'it failed') as reason from rule_version
        where kind = ${kind} and digest = ${digest} and withdrawn_at is not null`.execute(db)
      return rows[0]?.reason ?? null
    },
    // No lock; unique (kind, digest): several nodes that take the same file write the same row.
    async wentLive(kind, { digest, version, text }) {
      await sql`
        insert into rule_version (kind, digest, version, body) values (${kind}, ${digest}, ${version}, ${text})
        on conflict (kind, digest) do update set live_at = now()`.execute(db)
      await sql`
        delete from rule_version where kind = ${kind} and digest not in
          (select digest from rule_version where kind = ${kind} order by live_at desc limit ${KEPT})`.execute(db)
    },
    // Idempotent: the first reason stays.
    async withdraw(kind, digest, reason) {
      await sql`
        update rule_version set withdrawn_at = now(), withdrawn_reason = ${reason}
        where kind = ${kind} and digest = ${digest} and withdrawn_at is null`.execute(db)
    },
  } satisfies RuleVersions)
}
