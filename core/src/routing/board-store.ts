import { sql, type Kysely } from 'kysely'
import type { Tables } from '../store/tables.js'

export interface HandleTime {
  readonly queue: string
  readonly channelKind: string
  readonly meanS: number
  readonly deviationS: number
  readonly handled: number
}

/** From acceptance to completion, over the latest completions of a week. By queue and sort of channel. */
export async function handleTimes(db: Kysely<Tables>): Promise<readonly HandleTime[]> {
  const { rows } = await sql<HandleTime>`
    with latest as (
      select item_id, channel_kind, extract(epoch from decided_at - accepted_at)::float8 as seconds from offer
      where state = 'completed' and accepted_at is not null and decided_at > now() - interval '7 days'
      order by decided_at desc limit 5000
    )
    select w.queue, l.channel_kind as "channelKind", avg(l.seconds)::float8 as "meanS",
      coalesce(stddev_samp(l.seconds), 0)::float8 as "deviationS", count(*)::int as handled
    from latest l join work_item w on w.id = l.item_id group by w.queue, l.channel_kind`.execute(db)
  return rows
}

export interface QueueCount {
  readonly queue: string
  readonly waiting: number
  readonly held: number
  readonly offered: number
  readonly assigned: number
  readonly oldestWaitS: number | null
  /** Units of what is in the queue, on average; null: it is empty. */
  readonly units: number | null
  readonly drainedTo: string | null
}

/** Items that were held for opening hours wait from the opening on. */
export async function queueCounts(db: Kysely<Tables>): Promise<readonly QueueCount[]> {
  const { rows } = await sql<QueueCount>`
    select q.id as queue, q.drained_to as "drainedTo",
      count(w.id) filter (where w.state = 'queued')::int as waiting,
      count(w.id) filter (where w.state = 'held')::int as held,
      count(w.id) filter (where w.state = 'offered')::int as offered,
      count(w.id) filter (where w.state in ('assigned', 'wrapping'))::int as assigned,
      extract(epoch from clock_timestamp()
        - min(coalesce(w.opened_at, w.first_enqueued_at)) filter (where w.state = 'queued'))::float8 as "oldestWaitS",
      avg(w.units)::float8 as units
    from queue q left join work_item w on w.queue = q.id
      and w.state in ('held', 'queued', 'offered', 'assigned', 'wrapping')
    where q.retired_at is null group by q.id order by q.id`.execute(db)
  return rows
}

/** Where an item that waits stands in its queue, from 1. null: it does not wait. */
export async function positionOf(
  db: Kysely<Tables>,
  conversation: string,
): Promise<{ readonly queue: string; readonly position: number } | null> {
  const { rows } = await sql<{ queue: string; position: number }>`
    select i.queue, (select count(*)::int from work_item o where o.state = 'queued' and o.queue = i.queue
      and (o.rank_at, o.first_enqueued_at, o.id) <= (i.rank_at, i.first_enqueued_at, i.id)) as position
    from work_item i where i.conversation_id = ${conversation} and i.state = 'queued'`.execute(db)
  return rows[0] ?? null
}

/**
 * Places of the conversations behind some threads, read together. An item that is being offered is as good as next. Watches
 * are `<channel>/<thread>`.
 */
export async function placesOf(
  db: Kysely<Tables>,
  watches: readonly { readonly channel: string; readonly thread: string }[],
): Promise<readonly { readonly watch: string; readonly queue: string; readonly position: number }[]> {
  const { rows } = await sql<{ watch: string; queue: string; position: number }>`
    with mine as (
      select x.channel || '/' || x.thread as watch, w.id, w.queue, w.state
      from unnest(${watches.map((one) => one.channel)}::text[], ${watches.map((one) => one.thread)}::text[]) as x(channel, thread)
      join touchpoint t on t.channel = x.channel and t.thread = x.thread
      join work_item w on w.conversation_id = t.conversation_id and w.state in ('queued', 'offered')
    ), ranked as (
      select id, row_number() over (partition by queue order by rank_at, first_enqueued_at, id)::int as position
      from work_item where state = 'queued' and queue in (select queue from mine where state = 'queued')
    )
    select m.watch, m.queue, coalesce(r.position, 1) as position from mine m left join ranked r on r.id = m.id
    order by m.watch, position`.execute(db)
  return rows
}
