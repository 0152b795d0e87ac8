import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Clock } from './clock.js'
import type { Ledger } from './ledger.js'

type Trx = Transaction<Tables>

/**
 * Lock of everything that writes clocks: the cursor's row, so one node at a time. null: another node has it, which will
 * see what we would have seen. Taken first; conversations and work items come after it. Not durable on purpose: what a
 * crash takes back is read from the log again.
 */
export async function takeCursor(trx: Trx): Promise<number | null> {
  const { rows } = await sql<{ position: number }>`
    with held as materialized (select position from sla_cursor for no key update skip locked)
    select position, set_config('synchronous_commit', 'off', true) from held`.execute(trx)
  return rows[0]?.position ?? null
}

export async function moveCursor(trx: Trx, position: number): Promise<void> {
  await sql`update sla_cursor set position = ${position}`.execute(trx)
}

/** A conversation as the policies' conditions see it, with what its clocks know of it. */
export interface ConversationFacts {
  readonly id: string
  readonly contact: string
  readonly status: string
  readonly priority: string
  readonly queue: string | null
  readonly tags: readonly string[]
  readonly language: string | null
  readonly slaPolicy: string | null
  readonly tier: string | null
  readonly contactLanguage: string | null
  readonly attributes: Readonly<Record<string, unknown>>
  readonly assignee: string | null
  readonly known: {
    readonly status: string
    readonly handledBy: Ledger['handledBy']
    readonly replied: boolean
    readonly unanswered: string | null
    readonly touchpoint: string | null
    readonly cycles: Readonly<Record<string, number>>
  } | null
  /** Touchpoint id to channel. */
  readonly channels: Readonly<Record<string, string>>
}

export async function readFacts(db: Kysely<Tables>, ids: readonly string[]): Promise<readonly ConversationFacts[]> {
  const { rows } = await sql<ConversationFacts>`
    select c.id, c.contact_id as contact, c.status, c.priority, c.queue, c.tags, c.language, c.assignee,
      c.sla_policy as "slaPolicy", k.tier, k.language as "contactLanguage", coalesce(k.attributes, '{}') as attributes,
      case when s.conversation_id is not null then jsonb_build_object('status', s.status, 'handledBy', s.handled_by,
        'replied', s.replied, 'unanswered', s.unanswered_since, 'touchpoint', s.touchpoint_id, 'cycles', s.cycles)
      end as known,
      coalesce((select jsonb_object_agg(t.id, t.channel) from touchpoint t where t.conversation_id = c.id), '{}') as channels
    from conversation c
    left join contact k on k.id = c.contact_id
    left join sla_conversation s on s.conversation_id = c.id
    where c.id = any(${ids}::uuid[])`.execute(db)
  return rows
}

const columns = sql.raw(`id, conversation_id as conversation, touchpoint_id as touchpoint, metric, cycle, policy,
  policy_version as "policyVersion", target_s as "targetS", calendar, calendar_version as "calendarVersion", state,
  used_s as "usedS", started_at as "startedAt", running_since as "runningSince", due_at as "dueAt", levels, fired,
  next_level as "nextLevel", next_at as "nextAt", warned_at as "warnedAt", breached_at as "breachedAt",
  ended_at as "endedAt", reason, opened_by as "openedBy", fulfilled_by as "fulfilledBy"`)

/**
 * What a batch may change: open clocks, those that go on after a reopening, and those that one of these messages opened or
 * fulfilled. The cursor's lock guards them.
 */
export async function readClocks(
  trx: Trx,
  conversations: readonly string[],
  messages: readonly string[],
): Promise<readonly Clock[]> {
  const { rows } = await sql<Clock>`
    select ${columns} from sla_clock
    where conversation_id = any(${conversations}::uuid[]) and (ended_at is null
      or metric in ('requester_wait', 'agent_work', 'total_resolution')
      or opened_by = any(${messages}::uuid[]) or fulfilled_by = any(${messages}::uuid[]))
    order by conversation_id, started_at, metric`.execute(trx)
  return rows
}

/** Clocks with a level that is due by database time, or by `until` in its place. */
export async function readDue(trx: Trx, until: Date | null, limit: number): Promise<readonly Clock[]> {
  const { rows } = await sql<Clock>`
    select ${columns} from sla_clock
    where next_at < coalesce(${until}::timestamptz, clock_timestamp()) and ended_at is null
    order by next_at limit ${limit}`.execute(trx)
  return rows
}

/** Milliseconds until the next level, by database time; null: nothing is armed. */
export async function untilNext(db: Kysely<Tables>): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select extract(epoch from min(next_at) - clock_timestamp())::float8 * 1000 as ms from sla_clock
    where next_at is not null`.execute(db)
  return rows[0]?.ms ?? null
}

/** Open clocks that were counted by a calendar as it is no longer written. */
export async function readOutdated(trx: Trx, versions: readonly string[], limit: number): Promise<readonly Clock[]> {
  const { rows } = await sql<Clock>`
    select ${columns} from sla_clock
    where ended_at is null and calendar_version <> 'always' and calendar_version <> all(${versions}::text[])
      and state in ('running', 'paused')
    order by id limit ${limit}`.execute(trx)
  return rows
}

/** One statement; key: the clock's id. A (conversation, metric, cycle) is one clock, whoever writes. */
export async function writeClocks(trx: Trx, clocks: readonly Clock[]): Promise<void> {
  if (clocks.length === 0) return
  await sql`
    insert into sla_clock (id, conversation_id, touchpoint_id, metric, cycle, policy, policy_version, target_s, calendar,
      calendar_version, state, used_s, started_at, running_since, due_at, levels, fired, next_level, next_at, warned_at,
      breached_at, ended_at, reason, opened_by, fulfilled_by)
    select id, conversation, touchpoint, metric, cycle, policy, "policyVersion", "targetS", calendar, "calendarVersion",
      state, "usedS", "startedAt", "runningSince", "dueAt", array(select jsonb_array_elements_text(levels)),
      array(select jsonb_array_elements_text(fired)), "nextLevel", "nextAt", "warnedAt", "breachedAt", "endedAt", reason,
      "openedBy", "fulfilledBy"
    from jsonb_to_recordset(${JSON.stringify(clocks)}::jsonb) as r(id uuid, conversation uuid, touchpoint uuid,
      metric text, cycle int, policy text, "policyVersion" text, "targetS" float8, calendar text, "calendarVersion" text,
      state text, "usedS" float8, "startedAt" timestamptz, "runningSince" timestamptz, "dueAt" timestamptz, levels jsonb,
      fired jsonb, "nextLevel" text, "nextAt" timestamptz, "warnedAt" timestamptz, "breachedAt" timestamptz,
      "endedAt" timestamptz, reason text, "openedBy" uuid, "fulfilledBy" uuid)
    on conflict (id) do update set conversation_id = excluded.conversation_id, cycle = excluded.cycle,
      policy = excluded.policy, policy_version = excluded.policy_version, target_s = excluded.target_s,
      calendar = excluded.calendar, calendar_version = excluded.calendar_version, state = excluded.state,
      used_s = excluded.used_s, running_since = excluded.running_since, due_at = excluded.due_at,
      levels = excluded.levels, fired = excluded.fired, next_level = excluded.next_level, next_at = excluded.next_at,
      warned_at = excluded.warned_at, breached_at = excluded.breached_at, ended_at = excluded.ended_at,
      reason = excluded.reason, fulfilled_by = excluded.fulfilled_by`.execute(trx)
}

/** One statement; key: the conversation. */
export async function writeLedgers(trx: Trx, ledgers: readonly Ledger[]): Promise<void> {
  if (ledgers.length === 0) return
  const rows = ledgers.map(({ clocks: _, cycles, ...rest }) => ({ ...rest, cycles: Object.fromEntries(cycles) }))
  await sql`
    insert into sla_conversation (conversation_id, status, handled_by, replied, unanswered_since, touchpoint_id, cycles)
    select conversation, status, "handledBy", replied, unanswered, touchpoint, cycles
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(conversation uuid, status text, "handledBy" text,
      replied boolean, unanswered timestamptz, touchpoint uuid, cycles jsonb)
    on conflict (conversation_id) do update set status = excluded.status, handled_by = excluded.handled_by,
      replied = excluded.replied, unanswered_since = excluded.unanswered_since,
      touchpoint_id = excluded.touchpoint_id, cycles = excluded.cycles`.execute(trx)
}

/** What the log does not say of a message: when we took it, who wrote it, when the network took it. */
export interface MessageFacts {
  readonly id: string
  readonly direction: 'in' | 'out' | 'note'
  readonly author: string
  readonly touchpoint: string | null
  readonly receivedAt: Date
  /** All parts were accepted; null: not yet. */
  readonly acceptedAt: Date | null
}

export async function readMessages(trx: Trx, ids: readonly string[]): Promise<readonly MessageFacts[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<MessageFacts>`
    select m.id, m.direction, m.author_kind as author, m.touchpoint_id as touchpoint, m.at as "receivedAt",
      case when m.direction = 'out' then (select max(s.settled_at) from send s where s.message_id = m.id) end as "acceptedAt"
    from message m where m.id = any(${ids}::uuid[])`.execute(trx)
  return rows
}

/** Conversations of these contacts that have open clocks: a contact's tier may have changed. */
export async function withOpenClocks(
  trx: Trx,
  contacts: readonly string[],
): Promise<readonly { id: string; contact: string }[]> {
  if (contacts.length === 0) return []
  const { rows } = await sql<{ id: string; contact: string }>`
    select c.id, c.contact_id as contact from conversation c
    where c.contact_id = any(${contacts}::uuid[]) and c.status <> 'joined'
      and exists (select 1 from sla_clock s where s.conversation_id = c.id and s.ended_at is null)`.execute(trx)
  return rows
}
