import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { NewEvent, StoredEvent } from './contract.js'

/**
 * Writes events to the outbox inside the caller's transaction: one statement, whatever their number. No lock of its own:
 * the order of a conversation's events is the order of its row lock, which every writer of them holds.
 */
export async function insertOutbox(trx: Transaction<Tables>, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  await sql`
    insert into outbox (type, conversation_id, contact_id, agent_id, watch, actor_kind, actor_id, cause, data)
    select * from unnest(
      ${events.map((e) => e.type)}::text[],
      ${events.map((e) => e.conversation ?? null)}::uuid[],
      ${events.map((e) => e.contact ?? null)}::uuid[],
      ${events.map((e) => e.agent ?? null)}::text[],
      ${events.map((e) => e.watch ?? null)}::text[],
      ${events.map((e) => e.actor.kind)}::text[],
      ${events.map((e) => e.actor.id)}::text[],
      ${events.map((e) => e.cause ?? null)}::text[],
      ${events.map((e) => JSON.stringify(e.data))}::json[])
  `.execute(trx)
}

/**
 * Gives committed outbox rows their positions and answers the log's new entries, in order. See the comment of
 * `sequence_outbox` in migration 0001. `quiet`: without a NOTIFY, because a bus tells the other nodes.
 */
export async function sequenceOutbox(db: Kysely<Tables>, batch: number, quiet = false): Promise<StoredEvent[]> {
  const { rows } = await sql<LogRow>`
    select ${columns} from sequence_events(${batch}::int, ${quiet}::boolean)`.execute(db)
  return rows.map(toEvent)
}

export async function readHead(db: Kysely<Tables>): Promise<{ epoch: string; position: number }> {
  const { rows } = await sql<{ epoch: string; position: number }>`
    select i.epoch::text, h.position from installation i, event_head h`.execute(db)
  const row = rows[0]
  if (row === undefined) throw new Error('the tables installation and event_head must hold one row each')
  return row
}

/** The oldest position still kept; null when the log is empty. */
export async function readTail(db: Kysely<Tables>): Promise<number | null> {
  const { rows } = await sql<{ position: number | null }>`select min(position) as position from event_log`.execute(db)
  return rows[0]?.position ?? null
}

interface LogRow {
  position: number
  type: string
  conversation_id: string | null
  contact_id: string | null
  agent_id: string | null
  watch: string | null
  actor_kind: StoredEvent['actor']['kind']
  actor_id: string | null
  cause: string | null
  data: Record<string, unknown>
  at: Date
}

const columns = sql.raw(
  'position, type, conversation_id, contact_id, agent_id, watch, actor_kind, actor_id, cause, data, at',
)

export async function readLog(db: Kysely<Tables>, after: number, limit: number): Promise<StoredEvent[]> {
  const { rows } = await sql<LogRow>`
    select ${columns} from event_log where position > ${after} order by position limit ${limit}`.execute(db)
  return rows.map(toEvent)
}

/** Events of these types of one watched thread: what its customer's own client may have to show. */
export async function readWatched(
  db: Kysely<Tables>,
  watch: string,
  types: readonly string[],
  after: number,
  limit: number,
): Promise<StoredEvent[]> {
  const { rows } = await sql<LogRow>`
    select ${columns} from event_log where watch = ${watch} and position > ${after} and type = any(${types}::text[])
    order by position limit ${limit}`.execute(db)
  return rows.map(toEvent)
}

/** A hint to every node, carried by NOTIFY: at most once, at most 1 kB, never the truth. */
export async function notify(db: Kysely<Tables>, channel: string, payload: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${payload})`.execute(db)
}

/** Retention: removes what is older than `hours` but keeps at least `keep` rows. Answers how many went. */
export async function pruneLog(db: Kysely<Tables>, hours: number, keep: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from event_log where position in (
      select position from event_log
      where at < now() - make_interval(hours => ${hours}::int)
        and position <= (select position from event_head) - ${keep}::bigint
      order by position limit 20000)`.execute(db)
  return Number(numAffectedRows ?? 0)
}

function toEvent(row: LogRow): StoredEvent {
  return {
    position: row.position,
    type: row.type,
    at: row.at.getTime(),
    conversation: row.conversation_id,
    contact: row.contact_id,
    agent: row.agent_id,
    watch: row.watch,
    actor: { kind: row.actor_kind, id: row.actor_id },
    cause: row.cause,
    data: row.data,
  }
}
