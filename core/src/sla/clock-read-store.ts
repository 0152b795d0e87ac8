import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { ClockView, SlaExplanation } from './contract.js'

/** Open clocks first. `usedS` is as of the last change; what has run since is the reader's to add. */
export async function clocksOf(db: Kysely<Tables>, conversation: string): Promise<readonly ClockView[]> {
  const { rows } = await sql<ClockView & { nextLevel: string | null; nextAt: Date | null }>`
    select id, metric, cycle, state, policy, policy_version as "policyVersion", target_s as "targetS", used_s as "usedS",
      nullif(calendar, 'always') as calendar, touchpoint_id as touchpoint, started_at as "startedAt", due_at as "dueAt",
      breached_at as "breachedAt", ended_at as "endedAt", reason, fired, next_level as "nextLevel", next_at as "nextAt"
    from sla_clock where conversation_id = ${conversation}::uuid
    order by ended_at is not null, started_at, metric, cycle`.execute(db)
  return rows.map(({ nextLevel, nextAt, ...clock }) => ({
    ...clock,
    next: nextLevel === null || nextAt === null ? null : { level: nextLevel, at: nextAt },
  }))
}

export async function explanationOf(
  db: Kysely<Tables>,
  conversation: string,
): Promise<Omit<SlaExplanation, 'clocks'> | null> {
  const { rows } = await sql<Omit<SlaExplanation, 'clocks' | 'events'>>`
    select c.id as conversation, c.status, c.priority, s.unanswered_since as "unansweredSince",
      coalesce(s.handled_by, 'none') as "handledBy"
    from conversation c left join sla_conversation s on s.conversation_id = c.id
    where c.id = ${conversation}::uuid`.execute(db)
  const [found] = rows
  if (found === undefined) return null
  const { rows: events } = await sql<SlaExplanation['events'][number]>`
    select at, type, data from event_log where conversation_id = ${conversation}::uuid and type like 'sla.%'
    order by position limit 500`.execute(db)
  return { ...found, events }
}
