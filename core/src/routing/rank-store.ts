import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { LIVE } from './work-store.js'

type Trx = Transaction<Tables>

/** An item ranks at least this long before its promise is due. */
export const DUE_GUARD_S = 600

/**
 * The rank is the smaller of arrival minus head start and due minus guard. Only items whose rank moves are written. Locks:
 * items by id. Idempotent: the rank follows from what is given.
 */
export async function rankByPromise(
  trx: Trx,
  due: readonly { readonly conversation: string; readonly dueAt: Date | null }[],
): Promise<void> {
  if (due.length === 0) return
  await sql`
    with given as (
      select * from unnest(${due.map((one) => one.conversation)}::uuid[], ${due.map((one) => one.dueAt)}::timestamptz[])
        as g (conversation, due)
    ), moved as (
      select i.id, g.due, least(i.first_enqueued_at - make_interval(secs => i.head_start_s),
        g.due - make_interval(secs => ${DUE_GUARD_S}::int)) as rank
      from given g join work_item i on i.conversation_id = g.conversation and i.state in ('held', 'queued', 'offered')
      where i.sla_due_at is not null or g.due - make_interval(secs => ${DUE_GUARD_S}::int) < i.rank_at
      order by i.id for no key update of i
    )
    update work_item i set rank_at = moved.rank, sla_due_at = moved.due from moved
    where i.id = moved.id and (i.rank_at <> moved.rank or i.sla_due_at is distinct from moved.due)`.execute(trx)
}

/** Locks: items by id. The caller makes sure that a level fires once. */
export async function boostItems(
  trx: Trx,
  boosts: readonly { readonly conversation: string; readonly seconds: number }[],
): Promise<void> {
  if (boosts.length === 0) return
  await sql`
    with given as (
      select conversation, sum(seconds)::int as seconds
      from unnest(${boosts.map((one) => one.conversation)}::uuid[], ${boosts.map((one) => one.seconds)}::int[])
        as g (conversation, seconds)
      group by conversation
    ), locked as (
      select i.id, g.seconds from given g
      join work_item i on i.conversation_id = g.conversation and i.state in ('held', 'queued', 'offered')
      order by i.id for no key update of i
    )
    update work_item i set head_start_s = i.head_start_s + locked.seconds,
      rank_at = i.rank_at - make_interval(secs => locked.seconds)
    from locked where i.id = locked.id`.execute(trx)
}

export interface Raised {
  readonly id: string
  readonly contact: string
  readonly version: number
  readonly priority: string
  readonly tags: readonly string[]
}

/** Locks: conversations by id, then their items by id. Idempotent: a priority is only ever raised. */
export async function raisePriorities(
  trx: Trx,
  raises: readonly { readonly conversation: string; readonly priority: string }[],
  headStart: Readonly<Record<string, number>>,
): Promise<readonly Raised[]> {
  if (raises.length === 0) return []
  const ids = raises.map((one) => one.conversation)
  await sql`select 1 from conversation where id = any(${ids}::uuid[]) order by id for no key update`.execute(trx)
  const { rows } = await sql<Raised>`
    with orders as (select * from unnest(array['low', 'normal', 'high', 'urgent']) with ordinality as o (name, place)),
    given as (
      select distinct on (conversation) conversation, priority, place
      from unnest(${ids}::uuid[], ${raises.map((one) => one.priority)}::text[]) as g (conversation, priority)
      join orders on name = priority order by conversation, place desc
    )
    update conversation c set priority = g.priority, version = c.version + 1
    from given g join orders now on true
    where c.id = g.conversation and now.name = c.priority and now.place < g.place and c.status <> 'joined'
    returning c.id, c.contact_id as contact, c.version, c.priority, c.tags`.execute(trx)
  if (rows.length === 0) return rows
  await sql`
    with starts as (select key as name, value::int as seconds from jsonb_each_text(${JSON.stringify(headStart)}::jsonb)),
    locked as (
      select i.id, c.priority, i.priority as before from work_item i join conversation c on c.id = i.conversation_id
      where i.conversation_id = any(${rows.map((row) => row.id)}::uuid[]) and i.state in ${LIVE}
      order by i.id for no key update of i
    )
    update work_item i set priority = l.priority, head_start_s = i.head_start_s + a.seconds - b.seconds,
      rank_at = i.rank_at - make_interval(secs => a.seconds - b.seconds)
    from locked l join starts a on a.name = l.priority join starts b on b.name = l.before
    where i.id = l.id and a.seconds > b.seconds`.execute(trx)
  return rows
}
