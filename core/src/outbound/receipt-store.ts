import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import type { InboundReceipt } from './contract.js'

/** A send that a receipt moved on. */
export interface MovedSend {
  readonly id: string
  readonly messageId: string
  readonly channel: string
  readonly status: string
  readonly code: string | null
  readonly reason: string | null
  readonly cause: string | null
}

interface Report {
  readonly id: string
  readonly status: InboundReceipt['status']
  readonly at: Date
  readonly code: string | null
  readonly reason: string | null
  readonly cause: string | null
}

/**
 * Receipts come late, twice and out of order, so they only ever move a send upwards: sent < delivered < read. `failed`
 * takes what was not delivered; a later delivery takes it back. Locks: the sends, in id order.
 */
export async function moveSends(trx: Transaction<Tables>, reports: readonly Report[]): Promise<readonly MovedSend[]> {
  if (reports.length === 0) return []
  const best = strongest(reports)
  const ids = best.map((report) => report.id)
  await sql`select 1 from send where id = any(${ids}::uuid[]) order by id for update`.execute(trx)
  const { rows } = await sql<MovedSend>`
    update send s set state = r.status, settled_at = coalesce(s.settled_at, clock_timestamp()), claim_token = null,
      error_code = case when r.status = 'failed' then coalesce(r.code, 'failed') end,
      error_message = case when r.status = 'failed' then r.reason end
    from unnest(${ids}::uuid[], ${best.map((report) => report.status)}::text[], ${best.map((report) => report.code)}::text[],
      ${best.map((report) => report.reason)}::text[], ${best.map((report) => report.cause)}::text[])
      as r (id, status, code, reason, cause)
    where s.id = r.id and case r.status
      when 'sent' then s.state = 'unknown'
      when 'delivered' then s.state in ('sent', 'unknown', 'failed', 'dead')
      when 'read' then s.state in ('sent', 'unknown', 'failed', 'dead', 'delivered')
      else s.state in ('sent', 'unknown') end
    returning s.id, s.message_id as "messageId", s.channel, r.status, s.error_code as code, s.error_message as reason,
      r.cause`.execute(trx)
  return rows
}

/** One report a send: read beats delivered beats failed beats sent, whatever order they came in. */
function strongest(reports: readonly Report[]): readonly Report[] {
  const order = ['sent', 'failed', 'delivered', 'read']
  const best = new Map<string, Report>()
  for (const report of reports) {
    const known = best.get(report.id)
    if (!known || order.indexOf(report.status) > order.indexOf(known.status)) best.set(report.id, report)
  }
  return [...best.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

export async function sendsOfTargets(
  trx: Transaction<Tables>,
  receipts: readonly InboundReceipt[],
): Promise<ReadonlyMap<string, { readonly id: string; readonly seq: number }>> {
  const { rows } = await sql<{ id: string; seq: number; channel: string; target: string }>`
    select s.id, s.seq, s.channel, s.external_id as target
    from (select distinct * from unnest(${receipts.map((receipt) => receipt.channel)}::text[],
      ${receipts.map((receipt) => receipt.target)}::text[]) as w (channel, target)) w
    join send s on s.channel = w.channel and s.external_id = w.target`.execute(trx)
  return new Map(rows.map((row) => [targetKey(row.channel, row.target), row]))
}

export function targetKey(channel: string, target: string): string {
  return `${channel}\n${target}`
}

/** What a watermark covers: everything sent on the thread up to the target, or up to its time where that is not ours. */
export async function sendsUpTo(
  trx: Transaction<Tables>,
  mark: { readonly channel: string; readonly thread: string; readonly seq: number | null; readonly at: Date },
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select s.id from touchpoint t
    join message m on m.conversation_id = t.conversation_id and m.touchpoint_id = t.id and m.direction = 'out'
      and m.state in ('sending', 'sent', 'delivered')
    join send s on s.message_id = m.id and s.state in ('sent', 'delivered')
    where t.channel = ${mark.channel} and t.thread = ${mark.thread}
      and case when ${mark.seq}::bigint is null then s.settled_at <= ${mark.at} else s.seq <= ${mark.seq}::bigint end`.execute(
    trx,
  )
  return rows.map((row) => row.id)
}

/** Kept until the send is recorded; the same receipt twice is one row. */
export async function keepEarly(trx: Transaction<Tables>, receipts: readonly InboundReceipt[]): Promise<void> {
  if (receipts.length === 0) return
  await sql`
    insert into early_receipt (channel, target, status, at, error)
    select * from unnest(${receipts.map((receipt) => receipt.channel)}::text[],
      ${receipts.map((receipt) => receipt.target)}::text[], ${receipts.map((receipt) => receipt.status)}::text[],
      ${receipts.map((receipt) => receipt.at)}::timestamptz[],
      ${receipts.map((receipt) => (receipt.error ? JSON.stringify(receipt.error) : null))}::json[])
    on conflict (channel, target, status) do nothing`.execute(trx)
}

/**
 * Takes kept receipts whose send is known by now: of one send right after it was recorded, or of all (the sweep), because
 * a receipt and the record of its send can commit side by side without seeing each other.
 */
export async function takeEarly(
  trx: Transaction<Tables>,
  only?: { readonly channel: string; readonly target: string },
): Promise<readonly Report[]> {
  const { rows } = await sql<Report & { error: { code: string; message?: string } | null }>`
    delete from early_receipt e using send s
    where s.channel = e.channel and s.external_id = e.target
      ${only ? sql`and e.channel = ${only.channel} and e.target = ${only.target}` : sql``}
    returning s.id, e.status, e.at, e.error`.execute(trx)
  return rows.map(({ id, status, at, error }) => ({
    id,
    status,
    at,
    code: error?.code ?? null,
    reason: error?.message ?? null,
    cause: null,
  }))
}

/** Receipts of messages that another client of the account sent never find a send. */
export async function forgetEarly(db: Kysely<Tables>): Promise<void> {
  await sql`delete from early_receipt where received_at < clock_timestamp() - interval '7 days'`.execute(db)
}
