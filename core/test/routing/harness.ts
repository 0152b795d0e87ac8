import { randomUUID } from 'node:crypto'
import type { Plan } from '@throughline/plugin-sdk'
import type { Calendars } from '../../src/calendars/contract.js'
import type { ChannelKind, Config, QueueConfig } from '../../src/config/contract.js'
import type { EventWriter, NewEvent } from '../../src/events/contract.js'
import { createIds } from '../../src/ids.js'
import type { Jobs, NewJob } from '../../src/jobs/contract.js'
import type { NewWorkItem } from '../../src/routing/contract.js'
import { createRouting, type RoutingDeps, type RoutingPart } from '../../src/routing/routing.js'
import type { Store } from '../../src/store/store.js'

export const queue = (id: string, more: Partial<QueueConfig> = {}): QueueConfig => ({
  id,
  name: id,
  teams: [],
  skills: {},
  calendar: null,
  offerSeconds: 20,
  overflow: null,
  maxWaitSeconds: null,
  strict: false,
  ...more,
})

export interface NodeOptions {
  readonly queues?: readonly QueueConfig[]
  readonly capacities?: Readonly<Record<string, number>>
  /** Further parts of the configuration. */
  readonly config?: Partial<Config>
  readonly calendars?: Calendars
  readonly outbound?: RoutingDeps['outbound']
  /** This node's own clock; what it decides by is the database's. */
  readonly clock?: { now(): number }
  /** Where events go; otherwise they are collected. */
  readonly writer?: EventWriter
}

export interface TestNode extends RoutingPart {
  /** Set where events are written: those that the ledger answers with have to be, too. */
  readonly writer: EventWriter | null
  readonly events: NewEvent[]
  readonly jobs: NewJob[]
  readonly published: { topic: string; data: Readonly<Record<string, unknown>> }[]
  readonly warnings: unknown[]
  run(task: string, payload: unknown): Promise<void>
}

/** One node's routing over a real database. Jobs are collected, not run; events are collected and, so, countable. */
export function node(store: Store, options: NodeOptions = {}): TestNode {
  const events: NewEvent[] = []
  const jobs: NewJob[] = []
  const published: TestNode['published'] = []
  const warnings: unknown[] = []
  const tasks = new Map<string, (payload: unknown, signal: AbortSignal) => Promise<void>>()
  const clock = options.clock ?? { now: () => Date.now() }
  const config = {
    queues: options.queues ?? [queue('support')],
    defaultQueue: 'support',
    channels: [],
    agents: Object.entries(options.capacities ?? {}).map(([id, capacity]) => ({ id, capacity })),
    ...options.config,
  } as unknown as Config
  const writer: EventWriter = options.writer ?? {
    append: async (_trx, more) => void events.push(...more),
    poke: () => undefined,
  }
  const fakeJobs = {
    task: (name: string, run: (payload: unknown, signal: AbortSignal) => Promise<void>) => void tasks.set(name, run),
    every: () => undefined,
    add: async (_trx: unknown, more: readonly NewJob[]) => void jobs.push(...more),
  } as unknown as Jobs
  const part = createRouting({
    db: store.db,
    config,
    events: writer,
    jobs: fakeJobs,
    clock,
    ids: createIds(clock),
    node: randomUUID(),
    publish: (topic, data) => void published.push({ topic, data }),
    instances: () => [],
    ...(options.calendars === undefined ? {} : { calendars: options.calendars }),
    ...(options.outbound === undefined ? {} : { outbound: options.outbound }),
    log: { warn: (fields, message) => void warnings.push({ ...fields, message }) },
  })
  return Object.freeze({
    ...part,
    writer: options.writer ?? null,
    events,
    jobs,
    published,
    warnings,
    run: async (task: string, payload: unknown) => tasks.get(task)?.(payload, new AbortController().signal),
  })
}

export interface AgentOptions {
  readonly teams?: readonly string[]
  readonly skills?: Readonly<Record<string, number>>
  readonly perChannel?: Readonly<Record<string, number>>
  readonly capacity?: number
  readonly lastAssigned?: string
  readonly status?: 'online' | 'busy' | 'away' | null
}

/** An account; unless status is null, connected (one tab) and of that status. Answers the id of the session. */
export async function agent(store: Store, part: RoutingPart, id: string, options: AgentOptions = {}): Promise<string> {
  await store.pool.query(
    `insert into agent (id, name, email, role, teams, skills, per_channel_max) values ($1, $1, $1 || '@x.example', 'agent', $2, $3, $4)`,
    [id, options.teams ?? [], JSON.stringify(options.skills ?? {}), JSON.stringify(options.perChannel ?? {})],
  )
  await store.pool.query(`insert into agent_load (agent_id, capacity, last_assigned_at) values ($1, $2, $3)`, [
    id,
    options.capacity ?? 100,
    options.lastAssigned ?? null,
  ])
  const session = randomUUID()
  const status = options.status === undefined ? 'online' : options.status
  if (status === null) return session
  await part.presence.connected({ id: session, agent: id })
  await part.presence.set(id, { status }, { actor: { kind: 'agent', id } })
  // Who comes wakes the dispatcher; what a test does next must not meet that round half-way.
  await part.settled()
  return session
}

export interface ItemOptions {
  readonly kind?: ChannelKind
  readonly plan?: Partial<Plan>
  readonly preferred?: readonly string[]
  readonly overcommit?: readonly string[]
  readonly held?: NewWorkItem['held']
  readonly returnsTo?: string
  /** Seconds ago that it came; moves first_enqueued_at and rank together. */
  readonly agoS?: number
}

/** A conversation with a work item, as the drain writes them. Does not wake. */
export async function enqueue(
  store: Store,
  part: RoutingPart & { readonly writer?: EventWriter | null },
  options: ItemOptions = {},
): Promise<{ item: string; conversation: string; events: readonly NewEvent[] }> {
  const conversation = randomUUID()
  const item = randomUUID()
  await store.pool.query(`insert into conversation (id, contact_id) values ($1, $2)`, [conversation, randomUUID()])
  const events = await store.db.transaction().execute(async (trx) => {
    const written = await part.work.enqueue(trx, [
      {
        id: item,
        conversation,
        channel: 'chat',
        channelKind: options.kind ?? 'webchat',
        plan: { queue: 'support', priority: 'normal', ...options.plan },
        planVersion: '1',
        held: options.held ?? null,
        preferred: options.preferred ?? [],
        overcommit: options.overcommit ?? [],
        returnsTo: options.returnsTo ?? null,
      },
    ])
    await part.writer?.append(trx, written)
    return written
  })
  if (options.agoS !== undefined) {
    await store.pool.query(
      `update work_item set first_enqueued_at = first_enqueued_at - make_interval(secs => $2),
         rank_at = rank_at - make_interval(secs => $2) where id = $1`,
      [item, options.agoS],
    )
  }
  return { item, conversation, events }
}

/** Conversations with a chat each, in one transaction. */
export async function enqueueMany(store: Store, part: RoutingPart, count: number): Promise<void> {
  const made = Array.from({ length: count }, () => ({ id: randomUUID(), conversation: randomUUID() }))
  await store.pool.query(`insert into conversation (id, contact_id) select unnest($1::uuid[]), gen_random_uuid()`, [
    made.map((one) => one.conversation),
  ])
  const plan = { queue: 'support', priority: 'normal' } as const
  const more = { channel: 'chat', channelKind: 'webchat', plan, planVersion: '1', held: null, preferred: [] } as const
  await store.db.transaction().execute((trx) =>
    part.work.enqueue(
      trx,
      made.map((one) => ({ ...one, ...more })),
    ),
  )
}

export async function dispatch(part: RoutingPart): Promise<void> {
  part.work.wake()
  await part.settled()
}

interface OfferRow {
  readonly id: string
  readonly item_id: string
  readonly conversation_id: string
  readonly agent_id: string
  readonly state: string
  readonly reason: string | null
  readonly seconds: number
}

export async function offers(store: Store, where = 'true'): Promise<readonly OfferRow[]> {
  const { rows } = await store.pool.query<OfferRow>(
    `select id, item_id, conversation_id, agent_id, state, reason,
       extract(epoch from expires_at - created_at)::float8 as seconds from offer where ${where} order by created_at, id`,
  )
  return rows
}

export async function pending(store: Store): Promise<readonly OfferRow[]> {
  return offers(store, `state = 'pending'`)
}

export async function load(
  store: Store,
  id: string,
): Promise<{
  reserved: number
  active: number
  misses: number
  by_channel: Record<string, number>
  accepting: boolean
}> {
  const { rows } = await store.pool.query(
    `select reserved, active, misses, by_channel, accepting from agent_load where agent_id = $1`,
    [id],
  )
  return rows[0]
}

export async function item(store: Store, id: string): Promise<Record<string, unknown>> {
  const { rows } = await store.pool.query(`select * from work_item where id = $1`, [id])
  return rows[0]
}

/** Lets the time of pending offers run out, as if their seconds had passed. */
export async function runOut(store: Store, where = 'true'): Promise<void> {
  await store.pool.query(
    `update offer set expires_at = clock_timestamp() - interval '1 ms' where state = 'pending' and ${where}`,
  )
}

/** I1–I4 of the routing spec, as one question to the database. Answers what is wrong; empty: everything holds. */
export async function broken(store: Store): Promise<readonly string[]> {
  const { rows } = await store.pool.query<{ what: string }>(`
    select 'I1 two winners ' || item_id as what from offer where state in ('accepted', 'wrapping') group by item_id having count(*) > 1
    union all select 'I1 two pending ' || item_id from offer where state = 'pending' and not broadcast group by item_id having count(*) > 1
    union all select 'I2 ' || l.agent_id || ' reserved ' || l.reserved || ' active ' || l.active || ' sums ' || s.reserved || ' ' || s.active
      from agent_load l cross join lateral (select
        coalesce(sum(units) filter (where state = 'pending'), 0) as reserved,
        coalesce(sum(units) filter (where state in ('accepted', 'wrapping')), 0) as active
        from offer o where o.agent_id = l.agent_id) s
      where l.reserved <> s.reserved or l.active <> s.active
    union all select 'I2 by channel ' || l.agent_id from agent_load l
      where l.by_channel <> coalesce((select jsonb_object_agg(channel_kind, n) from (select channel_kind, count(*) as n from offer o
        where o.agent_id = l.agent_id and o.state in ('pending', 'accepted', 'wrapping') group by channel_kind) c), '{}')
    union all select 'I3 over capacity ' || agent_id from agent_load l where reserved + active > capacity
      and not exists (select 1 from offer o where o.agent_id = l.agent_id and o.channel_kind = 'voice' and o.state in ('pending', 'accepted', 'wrapping'))
      and not exists (select 1 from offer o where o.agent_id = l.agent_id and (o.forced or o.reason = 'overcommit' or o.reactivated_at is not null) and o.state in ('pending', 'accepted', 'wrapping'))
    union all select 'I4 offered without offer ' || id from work_item w where state = 'offered'
      and not exists (select 1 from offer o where o.item_id = w.id and o.state = 'pending')
    union all select 'I4 offer without offered item ' || o.id from offer o join work_item w on w.id = o.item_id
      where o.state = 'pending' and w.state <> 'offered'
    union all select 'assigned without winner ' || id from work_item w where state = 'assigned'
      and not exists (select 1 from offer o where o.item_id = w.id and o.state = 'accepted' and o.agent_id = w.assignee)
    union all select 'winner without assigned item ' || o.id from offer o join work_item w on w.id = o.item_id
      where o.state = 'accepted' and w.state <> 'assigned'`)
  return rows.map((row) => row.what)
}
