import { sql, type Kysely, type Transaction } from 'kysely'
import type { Tables } from '../../store/tables.js'
import type { Attempt, Delivery, Due, EndpointState, Replayed } from './contract.js'

/**
 * Rows of `webhook_endpoint` and `webhook_delivery`. Every writer locks the endpoint's row first, then its deliveries; the
 * primary key (endpoint, position) makes one delivery of an event, and an outcome counts only for the try it belongs to.
 */
export interface WebhookStore {
  /** Endpoints of the configuration; new ones begin at the head, another URL starts unburdened. */
  sync(endpoints: readonly { readonly id: string; readonly urlDigest: string }[]): Promise<void>
  look(endpoint: string): Promise<EndpointState>
  /** Makes delivery rows for the next events. `gap`: events had left the log before. */
  take(endpoint: string, types: readonly string[], most: number): Promise<{ read: number; gap: boolean }>
  /** What may be sent now, by position. */
  due(endpoint: string, limit: number): Promise<readonly Due[]>
  /** Notes tries that succeeded; those that somebody else noted already, or that were replayed meanwhile, are left out. */
  delivered(
    trx: Transaction<Tables>,
    endpoint: string,
    tries: readonly { readonly due: Due; readonly status: number | null }[],
  ): Promise<void>
  /** Notes a try that failed; null: somebody else did already, or it was replayed meanwhile. */
  settle(trx: Transaction<Tables>, attempt: Attempt): Promise<Settled | null>
  pause(trx: Transaction<Tables>, endpoint: string, ms: number): Promise<void>
  /** false: it was disabled already. */
  disable(trx: Transaction<Tables>, endpoint: string, reason: 'gone' | 'failing'): Promise<boolean>
  states(): Promise<readonly (EndpointState & { readonly id: string; readonly waiting: number })[]>
  deliveries(endpoint: string, before: number | null, limit: number): Promise<readonly Delivery[]>
  /** Sends again: one event, or all from a position on, as far as the log goes back. Opens a disabled endpoint. */
  replay(
    trx: Transaction<Tables>,
    endpoint: string,
    types: readonly string[],
    from: number,
    to: number | null,
  ): Promise<Replayed>
  /** Old lines of the log, whatever became of them: their events have left the log as well, or nobody served them. */
  prune(days: number): Promise<void>
}

/** How an endpoint does after a try; `paused`: it was so already. */
export interface Settled {
  readonly failures: number
  readonly failingForMs: number
  readonly paused: boolean
}

/** `sla.*` as a LIKE pattern; types have no wildcard characters of their own. */
const patterns = (types: readonly string[]): string[] => types.map((type) => type.replace('*', '%'))
const messageId = (endpoint: string) =>
  sql`'msg_' || left(encode(sha256(convert_to(i.epoch || ' ' || ${endpoint}::text || ' ' || e.position, 'UTF8')), 'hex'), 32)`
const state = sql`position, failures, disabled_reason as disabled,
  greatest(0, coalesce(extract(epoch from paused_until - clock_timestamp()) * 1000, 0))::float8 as "pausedMs"`
/** The most deliveries one replay sets back at once. */
const replayMost = 10_000

export function createWebhookStore(db: Kysely<Tables>): WebhookStore {
  return Object.freeze({
    async sync(endpoints) {
      await sql`
        insert into webhook_endpoint as w (id, url_digest, position)
        select x.id, x.digest, h.position
        from unnest(${endpoints.map((e) => e.id)}::text[], ${endpoints.map((e) => e.urlDigest)}::text[]) x (id, digest),
          event_head h
        order by x.id
        on conflict (id) do update set url_digest = excluded.url_digest, failures = 0, failing_since = null,
          paused_until = null, disabled_at = null, disabled_reason = null
        where w.url_digest <> excluded.url_digest`.execute(db)
    },
    async look(endpoint) {
      const { rows } = await sql<EndpointState>`
        select ${state} from webhook_endpoint where id = ${endpoint}`.execute(db)
      if (rows[0] === undefined) throw new Error(`the webhook ${endpoint} has no row`)
      return rows[0]
    },
    async take(endpoint, types, most) {
      return db.transaction().execute(async (trx) => {
        const { rows } = await sql<{ from: number; head: number; tail: number | null }>`
          select w.position as from, h.position as head,
            (select min(position) from event_log where position > w.position) as tail
          from webhook_endpoint w, event_head h where w.id = ${endpoint} for update of w`.execute(trx)
        const row = rows[0]
        if (row === undefined || row.head <= row.from) return { read: 0, gap: false }
        const gap = (row.tail ?? row.head + 1) > row.from + 1
        const from = gap ? (row.tail ?? row.head + 1) - 1 : row.from
        const to = Math.min(row.head, from + most)
        await sql`
          insert into webhook_delivery (endpoint, position, message_id, event_type)
          select ${endpoint}, e.position, ${messageId(endpoint)}, e.type from event_log e, installation i
          where e.position > ${from} and e.position <= ${to} and e.type like any (${patterns(types)}::text[])
          on conflict do nothing`.execute(trx)
        await sql`update webhook_endpoint set position = ${to} where id = ${endpoint}`.execute(trx)
        return { read: to - row.from, gap }
      })
    },
    async due(endpoint, limit) {
      const { rows } = await sql<Due>`
        select position, message_id as "messageId", attempts, replays from webhook_delivery
        where endpoint = ${endpoint} and state = 'pending' and next_at <= clock_timestamp()
        order by position limit ${limit}`.execute(db)
      return rows
    },
    async delivered(trx, endpoint, tries) {
      await sql`select 1 from webhook_endpoint where id = ${endpoint} for update`.execute(trx)
      const { rows } = await sql`
        update webhook_delivery d set state = 'delivered', attempts = d.attempts + 1, last_at = clock_timestamp(),
          last_status = x.status, last_error = null
        from unnest(${tries.map((one) => one.due.position)}::bigint[], ${tries.map((one) => one.due.attempts)}::int[],
          ${tries.map((one) => one.due.replays)}::int[], ${tries.map((one) => one.status)}::int[])
          x (position, attempts, replays, status)
        where d.endpoint = ${endpoint} and d.position = x.position and d.state = 'pending'
          and d.attempts = x.attempts and d.replays = x.replays
        returning d.position`.execute(trx)
      if (rows.length === 0) return
      // A pause stays: these were on their way before it, or were the probe after its end.
      await sql`
        update webhook_endpoint set failures = 0, failing_since = null
        where id = ${endpoint} and (failures > 0 or failing_since is not null)`.execute(trx)
    },
    async settle(trx, attempt) {
      const { endpoint, due, outcome, status, error, retryMs, pruned } = attempt
      await sql`select 1 from webhook_endpoint where id = ${endpoint} for update`.execute(trx)
      const { rows } = await sql`
        update webhook_delivery set state = ${outcome}, attempts = attempts + 1, last_at = clock_timestamp(),
          last_status = ${status}, last_error = ${error},
          next_at = clock_timestamp() + ${retryMs}::float8 * interval '1 ms'
        where endpoint = ${endpoint} and position = ${due.position} and state = 'pending'
          and attempts = ${due.attempts} and replays = ${due.replays}
        returning position`.execute(trx)
      if (rows.length === 0) return null
      // Answers that come in during a pause were on their way before it: they count for no further failure.
      const { rows: after } = await sql<Settled>`
        update webhook_endpoint set
          failures = case when ${pruned} or paused_until > clock_timestamp() then failures
            else failures + 1 end,
          failing_since = case when ${pruned} then failing_since
            else coalesce(failing_since, clock_timestamp()) end
        where id = ${endpoint}
        returning failures, coalesce(paused_until > clock_timestamp(), false) as paused,
          coalesce(extract(epoch from clock_timestamp() - failing_since) * 1000, 0)::float8 as "failingForMs"`.execute(
        trx,
      )
      return after[0] ?? null
    },
    async pause(trx, endpoint, ms) {
      await sql`
        update webhook_endpoint
        set paused_until = greatest(paused_until, clock_timestamp() + ${ms}::float8 * interval '1 ms')
        where id = ${endpoint}`.execute(trx)
    },
    async disable(trx, endpoint, reason) {
      const { rows } = await sql`
        update webhook_endpoint set disabled_at = clock_timestamp(), disabled_reason = ${reason}
        where id = ${endpoint} and disabled_at is null returning id`.execute(trx)
      return rows.length === 1
    },
    async states() {
      const { rows } = await sql<EndpointState & { id: string; waiting: number }>`
        select id, ${state},
          (select count(*) from webhook_delivery d where d.endpoint = w.id and d.state = 'pending')::int as waiting
        from webhook_endpoint w order by id`.execute(db)
      return rows
    },
    async deliveries(endpoint, before, limit) {
      const { rows } = await sql<Delivery>`
        select position, message_id as "messageId", event_type as type, state, attempts, replays,
          case when state = 'pending' then next_at end as "nextAt", last_at as "lastAt", last_status as status,
          last_error as error
        from webhook_delivery where endpoint = ${endpoint} and (${before}::bigint is null or position < ${before})
        order by position desc limit ${limit}`.execute(db)
      return rows
    },
    async replay(trx, endpoint, types, from, to) {
      await sql`
        update webhook_endpoint set failures = 0, failing_since = null, paused_until = null, disabled_at = null,
          disabled_reason = null where id = ${endpoint}`.execute(trx)
      const { rows } = await sql<Replayed>`
        with again as (
          insert into webhook_delivery as d (endpoint, position, message_id, event_type)
          select ${endpoint}, e.position, ${messageId(endpoint)}, e.type
          from event_log e, installation i, webhook_endpoint w
          where w.id = ${endpoint} and e.position >= ${from} and e.position <= least(w.position, ${to}::bigint)
            and e.type like any (${patterns(types)}::text[])
          order by e.position limit ${replayMost}
          on conflict (endpoint, position) do update
            set state = 'pending', attempts = 0, replays = d.replays + 1, next_at = clock_timestamp(),
              created_at = clock_timestamp()
          returning position
        ) select count(*)::int as replayed, max(position) as last from again`.execute(trx)
      return rows[0] ?? { replayed: 0, last: null }
    },
    async prune(days) {
      await sql`
        delete from webhook_delivery where created_at < now() - ${days}::float8 * interval '1 day'`.execute(db)
    },
  } satisfies WebhookStore)
}
