import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { Metric, WaiverRecord } from './contract.js'

type Trx = Transaction<Tables>

/** A clock as a waiver sees it. */
export interface Waivable {
  readonly clock: string
  readonly conversation: string
  readonly metric: Metric
  readonly cycle: number
  readonly state: string
  readonly policy: string
  /** Set in `breached` and `met_late`. */
  readonly breachedAt: Date | null
  readonly waiver: WaiverRecord | null
}

/**
 * Without a lock: the clocks' writer is waited for by everything that is promised. Should an answer given in time reach
 * the log between this and the waiver, the clock is met and the waiver stands beside it, as when it came a moment later.
 */
export async function findWaivable(trx: Trx, clock: string): Promise<Waivable | null> {
  type Row = Omit<Waivable, 'waiver'> & {
    waivedIn: string | null
    waivedFor: string | null
    waivedBy: string | null
    waivedAt: Date | null
  }
  const { rows } = await sql<Row>`
    select c.id as clock, c.conversation_id as conversation, c.metric, c.cycle, c.state, c.policy,
      c.breached_at as "breachedAt", w.conversation_id as "waivedIn", w.reason as "waivedFor", w.agent_id as "waivedBy",
      w.at as "waivedAt"
    from sla_clock c left join sla_waiver w on w.clock_id = c.id
    where c.id = ${clock}::uuid`.execute(trx)
  const [row] = rows
  if (row === undefined) return null
  const { waivedIn, waivedFor, waivedBy, waivedAt, ...found } = row
  const waived = waivedIn !== null && waivedFor !== null && waivedBy !== null && waivedAt !== null
  const waiver = waived
    ? { clock: found.clock, conversation: waivedIn, reason: waivedFor, by: waivedBy, at: waivedAt }
    : null
  return { ...found, waiver }
}

/**
 * Lock: none. Uniqueness: the clock's id; null: it has a waiver, which stays. (The clock was committed before and without
 * waiting for the disk; this commit waits, and takes what came before along: no waiver without its clock after a crash.)
 */
export async function insertWaiver(
  trx: Trx,
  waiver: Pick<WaiverRecord, 'clock' | 'conversation' | 'reason' | 'by'>,
): Promise<WaiverRecord | null> {
  const { rows } = await sql<WaiverRecord>`
    insert into sla_waiver (clock_id, conversation_id, reason, agent_id)
    values (${waiver.clock}::uuid, ${waiver.conversation}::uuid, ${waiver.reason}, ${waiver.by})
    on conflict (clock_id) do nothing
    returning clock_id as clock, conversation_id as conversation, reason, agent_id as by, at`.execute(trx)
  return rows[0] ?? null
}
