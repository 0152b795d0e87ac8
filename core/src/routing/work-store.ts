import { sql, type Transaction } from 'kysely'
import type { Tables } from '../store/tables.js'
import { RETURNED_BOOST_S, STRICT_S } from './units.js'

/** States in which somebody still has to handle the conversation: at most one item a conversation is in one of them. */
export const LIVE = sql.raw(`('held', 'queued', 'offered', 'assigned', 'wrapping')`)

export interface ItemInput {
  readonly id: string
  readonly conversation: string
  readonly channel: string
  readonly channelKind: string
  readonly queue: string
  readonly extraQueues: readonly string[]
  readonly state: 'held' | 'queued'
  readonly reason: string | null
  readonly heldUntil: string | null
  readonly heldSeconds: number | null
  readonly priority: string
  readonly headStartS: number
  readonly units: number
  readonly preferred: readonly string[]
  readonly overcommit: readonly string[]
  readonly plan: unknown
  readonly planVersion: string
  readonly tellWait: boolean
  readonly slaPolicy: string | null
  readonly tags: readonly string[]
}

export interface Item {
  readonly id: string
  readonly conversation: string
  readonly channel: string
  readonly channelKind: string
  readonly queue: string
  readonly state: string
  readonly priority: string
  readonly units: number
  readonly assignee: string | null
  readonly epoch: number
}

const columns = sql.raw(
  `id, conversation_id as conversation, channel, channel_kind as "channelKind", queue, state, priority, units, assignee, epoch`,
)

/**
 * Writes items, and the queue into their conversations, in one statement. Idempotent by conversation: one that has a live
 * item keeps it, and its new one is not among the answers.
 */
export async function insertItems(trx: Transaction<Tables>, items: readonly ItemInput[]): Promise<readonly Item[]> {
  const { rows } = await sql<Item>`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as r(
        id uuid, conversation uuid, channel text, "channelKind" text, queue text, "extraQueues" jsonb, state text,
        reason text, "heldUntil" timestamptz, "heldSeconds" int, priority text, "headStartS" int, units int, preferred jsonb,
        overcommit jsonb, plan json, "planVersion" text, "slaPolicy" text, tags jsonb, "tellWait" boolean)
    ), written as (
      insert into work_item (id, conversation_id, channel, channel_kind, queue, extra_queues, state, waiting_reason, held_until,
        priority, head_start_s, rank_at, units, preferred, overcommit, plan, plan_version, tell_wait)
      select id, conversation, channel, "channelKind", queue,
        array(select jsonb_array_elements_text("extraQueues")), state, reason,
        coalesce("heldUntil", now() + make_interval(secs => "heldSeconds")),
        priority, "headStartS", now() - make_interval(secs => "headStartS"), units,
        array(select jsonb_array_elements_text(preferred)), array(select jsonb_array_elements_text(overcommit)), plan, "planVersion", "tellWait"
      from given
      on conflict (conversation_id) where state in ${LIVE} do nothing
      returning ${columns}
    ), placed as (
      update conversation c set queue = w.queue, sla_policy = coalesce(g."slaPolicy", c.sla_policy),
        tags = array(select distinct unnest(c.tags || array(select jsonb_array_elements_text(g.tags))) order by 1)
      from written w join given g using (id)
      where c.id = w.conversation and (c.queue is distinct from w.queue
        or c.sla_policy is distinct from coalesce(g."slaPolicy", c.sla_policy)
        or not c.tags @> array(select jsonb_array_elements_text(g.tags)))
    )
    select * from written`.execute(trx)
  return rows
}

/** Lock: conversation, then its live item. null: nobody has to handle it. */
export async function lockLiveItem(trx: Transaction<Tables>, conversation: string): Promise<Item | null> {
  const { rows } = await sql<Item>`
    select ${columns} from work_item where conversation_id = ${conversation} and state in ${LIVE}
    for no key update`.execute(trx)
  return rows[0] ?? null
}

export async function lockItem(trx: Transaction<Tables>, id: string): Promise<Item | null> {
  const { rows } = await sql<Item>`select ${columns} from work_item where id = ${id} for no key update`.execute(trx)
  return rows[0] ?? null
}

export interface ConversationRow {
  readonly id: string
  readonly status: string
  readonly queue: string | null
  readonly assignee: string | null
  readonly contact: string
}

export async function lockConversation(trx: Transaction<Tables>, id: string): Promise<ConversationRow | null> {
  const { rows } = await sql<ConversationRow>`
    select id, status, queue, assignee, contact_id as contact from conversation where id = ${id}
    for no key update`.execute(trx)
  return rows[0] ?? null
}

/** The channel a conversation runs over now: for an item that is made by hand. */
export async function currentChannel(trx: Transaction<Tables>, conversation: string): Promise<string | null> {
  const { rows } = await sql<{ channel: string }>`
    select t.channel from touchpoint t left join conversation c on c.last_touchpoint = t.id
    where t.conversation_id = ${conversation} order by (c.id is not null) desc, t.last_inbound_at desc nulls last
    limit 1`.execute(trx)
  return rows[0]?.channel ?? null
}

/** Of these, the open ones with an unanswered message of the customer and no live item. */
export async function unattended(
  trx: Transaction<Tables>,
  conversations: readonly string[],
): Promise<
  readonly {
    readonly id: string
    readonly queue: string | null
    readonly priority: string
    readonly channel: string | null
  }[]
> {
  const { rows } = await sql<{ id: string; queue: string | null; priority: string; channel: string | null }>`
    select c.id, c.queue, c.priority, t.channel from conversation c left join touchpoint t on t.id = c.last_touchpoint
    where c.id = any(${conversations}::uuid[]) and c.status = 'open' and c.waiting_since is not null
      and not exists (select 1 from work_item w where w.conversation_id = c.id and w.state in ${LIVE})
    order by c.id`.execute(trx)
  return rows
}

/** Whom the conversation belongs to now; the reader sees it in `version`. */
export async function place(
  trx: Transaction<Tables>,
  conversation: string,
  to: { readonly queue: string; readonly assignee: string | null },
): Promise<number | null> {
  const { rows } = await sql<{ version: number }>`
    update conversation set queue = ${to.queue}, assignee = ${to.assignee}, version = version + 1
    where id = ${conversation} returning version`.execute(trx)
  return rows[0]?.version ?? null
}

/** An offer was written for each of these; their locks are held. */
export async function setOffered(trx: Transaction<Tables>, items: readonly string[]): Promise<void> {
  await sql`
    update work_item set state = 'offered', epoch = epoch + 1, waiting_reason = null, hold_until = null
    where id = any(${items}::uuid[])`.execute(trx)
}

export async function setAssigned(trx: Transaction<Tables>, item: string, agent: string): Promise<void> {
  await sql`
    update work_item set state = 'assigned', assignee = ${agent}, epoch = epoch + 1, waiting_reason = null, hold_until = null,
      was_taken = true
    where id = ${item}`.execute(trx)
}

export async function setEnded(trx: Transaction<Tables>, item: string, state: string): Promise<void> {
  await sql`
    update work_item set state = ${state}, epoch = epoch + 1, ended_at = now(), waiting_reason = null
    where id = ${item}`.execute(trx)
}

export interface Requeue {
  readonly queue?: string
  /** Not offered to this agent for `seconds`. */
  readonly exclude?: { readonly agent: string; readonly seconds: number }
  readonly returned?: boolean
  /** The queue is closed: it waits for the opening, in another form where the customer is not there any more. */
  readonly held?: { readonly until: Date | null; readonly reason: string }
  readonly extraQueues?: readonly string[]
}

/** Back into the queue, at the place it had: first_enqueued_at and with it the rank stay. */
export async function requeue(trx: Transaction<Tables>, item: string, how: Requeue): Promise<void> {
  const boost = how.returned === true ? RETURNED_BOOST_S : 0
  // The years ahead that a strict queue gives to a priority are worth nothing elsewhere.
  const years =
    how.queue === undefined
      ? sql`0`
      : sql`case when queue = ${how.queue} then 0 else round(head_start_s / ${STRICT_S}::float8)::int * ${STRICT_S}::int end`
  const until = sql`to_jsonb(now() + make_interval(secs => ${how.exclude?.seconds ?? 0}::int))`
  const excluded =
    how.exclude === undefined
      ? sql`excluded`
      : sql`excluded || jsonb_build_object(${how.exclude.agent}::text, ${until})`
  await sql`
    update work_item set state = ${how.held === undefined ? 'queued' : 'held'}, assignee = null, epoch = epoch + 1,
      queued_at = now(), held_until = ${how.held?.until ?? null}::timestamptz,
      waiting_reason = ${how.held?.reason ?? null}, excluded = ${excluded},
      extra_queues = case when ${how.queue ?? null}::text is null then extra_queues
        else ${how.extraQueues ?? []}::text[] end,
      queue = coalesce(${how.queue ?? null}::text, queue), hold_until = null,
      head_start_s = head_start_s + ${boost}::int - ${years}, rank_at = rank_at - make_interval(secs => ${boost}::int - ${years})
    where id = ${item}`.execute(trx)
}

/** `from`'s item gives its place to `into`'s if it is the better one. */
export async function takeBetterRank(trx: Transaction<Tables>, into: string, from: string): Promise<void> {
  await sql`
    update work_item i set rank_at = least(i.rank_at, f.rank_at),
      first_enqueued_at = least(i.first_enqueued_at, f.first_enqueued_at)
    from work_item f where i.id = ${into} and f.id = ${from}`.execute(trx)
}

/** The live items of two conversations, locked by id, so that joining and dispatching take them in one order. */
export async function lockLiveItems(trx: Transaction<Tables>, conversations: readonly string[]): Promise<void> {
  await sql`
    select id from work_item where conversation_id = any(${conversations}::uuid[]) and state in ${LIVE}
    order by id for no key update`.execute(trx)
}

/** The item moves to another conversation, which has none. */
export async function moveItem(trx: Transaction<Tables>, item: string, conversation: string): Promise<void> {
  await sql`update work_item set conversation_id = ${conversation}, epoch = epoch + 1 where id = ${item}`.execute(trx)
  await sql`update offer set conversation_id = ${conversation} where item_id = ${item}`.execute(trx)
}
