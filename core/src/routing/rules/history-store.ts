import { sql, type Kysely } from 'kysely'
import type { Tables } from '../../store/tables.js'
import type { RuleFileKind } from '../contract.js'

/** A decision as it was recorded: what was known, and what followed. */
export interface RecordedDecision {
  readonly id: string
  readonly at: Date
  readonly conversation: string
  readonly trigger: string
  readonly source: string
  readonly rule: string | null
  readonly version: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly plan: Readonly<Record<string, unknown>> | null
}

export interface DecisionHistory {
  /** Routing decisions of the last seconds, oldest first, in pages; offers are no decisions of rules. */
  since(seconds: number, most: number): AsyncIterable<readonly RecordedDecision[]>
  /** The text of a version that was live, for showing which rules held; the latest of that name. null: not kept. */
  text(kind: RuleFileKind, version: string): Promise<string | null>
}

const PAGE = 500

type Row = RecordedDecision & { readonly cursor: string }

export function createDecisionHistory(db: Kysely<Tables>): DecisionHistory {
  // The cursor is the database's own text: a Date would cut its microseconds and read the same rows again.
  const page = async (from: string, after: string, limit: number): Promise<readonly Row[]> => {
    const { rows } = await sql<Row>`
      select id, at, at::text as cursor, conversation_id as conversation, trigger, source, rule, version, facts, plan
      from routing_decision
      where trigger <> 'offer' and (at, id) > (${from}::timestamptz, ${after}::uuid)
      order by at, id limit ${limit}`.execute(db)
    return rows
  }
  return Object.freeze({
    async *since(seconds, most) {
      const { rows } = await sql<{ at: string }>`
        select (now() - make_interval(secs => ${seconds}))::text as at`.execute(db)
      let from = rows[0]?.at ?? 'now'
      let after = '00000000-0000-0000-0000-000000000000'
      for (let left = most; left > 0;) {
        const found = await page(from, after, Math.min(PAGE, left))
        const last = found.at(-1)
        if (last === undefined) return
        yield found
        left -= found.length
        from = last.cursor
        after = last.id
      }
    },
    async text(kind, version) {
      const { rows } = await sql<{ body: string }>`
        select body from rule_version where kind = ${kind} and version = ${version} order by live_at desc limit 1`.execute(
        db,
      )
      return rows[0]?.body ?? null
    },
  } satisfies DecisionHistory)
}
