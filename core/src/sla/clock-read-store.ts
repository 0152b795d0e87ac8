import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { ClockView, OpenClock, SlaExplanation, Waiver } from './contract.js'

interface WaiverColumns {
  waivedFor: string | null
  waivedBy: string | null
  waivedAt: Date | null
}
const waiverColumns = sql.raw('w.reason as "waivedFor", w.agent_id as "waivedBy", w.at as "waivedAt"')

function waiverOf({ waivedFor, waivedBy, waivedAt }: WaiverColumns): Waiver | null {
  return waivedFor === null || waivedBy === null || waivedAt === null
    ? null
    : { reason: waivedFor, by: waivedBy, at: waivedAt }
}

/** Open clocks first. `usedS` is as of the last change; what has run since is the reader's to add. */
export async function clocksOf(db: Kysely<Tables>, conversation: string): Promise<readonly ClockView[]> {
  const { rows } = await sql<ClockView & WaiverColumns & { nextLevel: string | null; nextAt: Date | null }>`
    select c.id, metric, cycle, state, policy, policy_version as "policyVersion", target_s as "targetS",
      used_s as "usedS", nullif(calendar, 'always') as calendar, touchpoint_id as touchpoint, started_at as "startedAt",
      due_at as "dueAt", warned_at as "warnedAt", breached_at as "breachedAt", ended_at as "endedAt", c.reason, fired,
      next_level as "nextLevel", next_at as "nextAt", ${waiverColumns}
    from sla_clock c left join sla_waiver w on w.clock_id = c.id
    where c.conversation_id = ${conversation}::uuid
    order by ended_at is not null, started_at, metric, cycle`.execute(db)
  return rows.map(({ nextLevel, nextAt, waivedFor, waivedBy, waivedAt, ...clock }) => ({
    ...clock,
    next: nextLevel === null || nextAt === null ? null : { level: nextLevel, at: nextAt },
    waiver: waiverOf({ waivedFor, waivedBy, waivedAt }),
  }))
}

/** One statement for all conversations; what is paused has no due time and comes last. */
export async function openClocks(
  db: Kysely<Tables>,
  conversations: readonly string[],
): Promise<ReadonlyMap<string, readonly OpenClock[]>> {
  const { rows } = await sql<Omit<OpenClock, 'waiver'> & WaiverColumns & { conversation: string }>`
    select c.conversation_id as conversation, c.id, metric, state, due_at as "dueAt", warned_at as "warnedAt",
      breached_at as "breachedAt", ${waiverColumns}
    from sla_clock c left join sla_waiver w on w.clock_id = c.id
    where c.conversation_id = any(${conversations}::uuid[]) and c.ended_at is null
      and c.state in ('running', 'paused', 'breached')
    order by due_at nulls last, metric, cycle`.execute(db)
  const found = new Map<string, OpenClock[]>()
  for (const { conversation, waivedFor, waivedBy, waivedAt, ...clock } of rows) {
    const clocks = found.get(conversation) ?? []
    found.set(conversation, clocks)
    clocks.push({ ...clock, waiver: waiverOf({ waivedFor, waivedBy, waivedAt }) })
  }
  return found
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
