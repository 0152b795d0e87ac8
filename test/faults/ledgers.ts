import { query } from './database.js'
import type { Desk } from './desk.js'
import type { Provider } from './provider.js'
import type { Traffic } from './traffic.js'

/** What the comparison of the ledgers found. The first four must be 0. */
export interface Verdict {
  /** Inbound messages acknowledged, answers accepted. */
  readonly events: number
  readonly lost: number
  readonly doubled: number
  readonly inversions: number
  readonly phantom: number
  /** Answers that ended as failed, dead or unknown: visible to the agent, promised to nobody. */
  readonly unsure: number
  /** What exactly, for whoever has to mend it. */
  readonly findings: readonly string[]
}

export interface Ledgers {
  readonly databaseUrl: string
  readonly traffic: readonly Traffic[]
  readonly provider: Provider
  readonly desks: readonly Desk[]
  /** A channel whose events are poison: what is parked there is no loss. */
  readonly parkedOf?: string
}

/** Compares what networks were told, what the database holds, what agents saw, and what reached customers. */
export async function compare(all: Ledgers): Promise<Verdict> {
  const findings: string[] = []
  let lost = 0
  let doubled = 0
  let inversions = 0
  let phantom = 0
  const note = (kind: string, items: readonly string[]): number => {
    if (items.length > 0) findings.push(`${kind} (${items.length}): ${items.slice(0, 5).join(', ')}`)
    return items.length
  }
  const lanes = all.traffic.flatMap(({ acknowledged }) => [...acknowledged.values()])
  const acknowledged = lanes.flat()
  const sent = new Set(all.traffic.flatMap((one) => [...one.sent]))

  // The door and the timeline.
  const stored = await query<{ id: string; message: string }>(
    all.databaseUrl,
    `select external_id as id, id as message from message where direction = 'in'`,
  )
  const ids = stored.map(({ id }) => id)
  lost += note('acknowledged, not in the timeline', minus(acknowledged, ids))
  doubled += note('twice in the timeline', twice(ids))
  phantom += note('in the timeline, never sent', minus(ids, [...sent]))
  note(
    'refused by the door',
    all.traffic.flatMap((one) => one.refused),
  )

  // The log: order of each lane, no hole.
  const log = await query<{ id: string; position: number }>(
    all.databaseUrl,
    `select m.external_id as id, e.position::float8 as position from event_log e
     join message m on m.id = (e.data ->> 'messageId')::uuid where e.type = 'message.inbound' order by e.position`,
  )
  const place = new Map(log.map(({ id }, index) => [id, index]))
  lost += note('in the timeline, not in the log', minus(ids, [...place.keys()]))
  doubled += note('twice in the log', twice(log.map(({ id }) => id)))
  inversions += note(
    'applied before its predecessor',
    lanes.flatMap((lane) => outOfOrder(lane, place)),
  )
  const [head] = await query<{ holes: number; waiting: number }>(
    all.databaseUrl,
    `select (max(position) - min(position) + 1 - count(*))::int as holes, (select count(*)::int from outbox) as waiting
     from event_log`,
  )
  lost += note(
    'holes in the log',
    Array.from({ length: head?.holes ?? 0 }, () => 'a position'),
  )

  // Agents: everything once, in the order of positions.
  for (const desk of all.desks) {
    const from = log.findIndex(({ id }) => id === desk.seen[0])
    const due = desk.seen.length === 0 ? [] : log.slice(Math.max(0, from)).map(({ id }) => id)
    if (desk.resyncs() === 0) lost += note('never shown to an agent', minus(due, desk.seen))
    doubled += note('shown to an agent twice', twice(desk.seen))
    phantom += note('shown to an agent, not in the log', minus(desk.seen, [...place.keys()]))
    const back = desk.positions.filter((position, i) => i > 0 && position <= (desk.positions[i - 1] ?? 0))
    inversions += note('positions that went back', back.map(String))
    note('commands refused', desk.refused)
  }

  // Answers: the agent was told yes, the database has it once, the customer has it once.
  const promised = all.desks.flatMap((desk) => [...desk.answered])
  const outbound = await query<{ text: string; state: string; position: number }>(
    all.databaseUrl,
    `select m.text, m.state, min(e.position)::float8 as position from message m
     left join event_log e on e.type = 'message.queued' and (e.data ->> 'messageId')::uuid = m.id
     where m.direction = 'out' group by m.id order by 3`,
  )
  const unsure = outbound.filter(({ state }) => ['failed', 'dead', 'unknown'].includes(state)).map(({ text }) => text)
  if (unsure.length > 0) {
    const why = await query<{ why: string }>(
      all.databaseUrl,
      `select distinct state || ' ' || coalesce(error_code, '') as why from send where state in ('failed', 'dead', 'unknown')`,
    )
    findings.push(`unsure (${unsure.length}): ${why.map((one) => one.why).join(', ')}`)
  }
  const delivered = all.provider.taken.map(({ text }) => text)
  lost += note(
    'accepted from an agent, not stored',
    minus(
      promised,
      outbound.map(({ text }) => text),
    ),
  )
  doubled += note('one command, two answers', twice(outbound.map(({ text }) => text)))
  lost += note('accepted from an agent, never delivered', minus(promised, [...delivered, ...unsure]))
  doubled += note('delivered twice', twice(delivered))
  phantom += note(
    'delivered, never written',
    minus(
      delivered,
      outbound.map(({ text }) => text),
    ),
  )
  const queued = new Map(outbound.map(({ text }, index) => [text, index]))
  const threads = new Map<string, string[]>()
  for (const { thread, text } of all.provider.taken) threads.set(thread, [...(threads.get(thread) ?? []), text])
  inversions += note(
    'delivered before its predecessor',
    [...threads.values()].flatMap((lane) => outOfOrder(lane, queued)),
  )

  const parked = await query<{ id: string }>(
    all.databaseUrl,
    `select external_id as id from inbox where state = 'parked' and channel is distinct from $1`,
    [all.parkedOf ?? null],
  )
  lost += note(
    'parked',
    parked.map(({ id }) => id),
  )
  return {
    events: acknowledged.length + promised.length,
    lost,
    doubled,
    inversions,
    phantom,
    unsure: unsure.length,
    findings,
  }
}

function minus(all: readonly string[], known: readonly string[]): string[] {
  const set = new Set(known)
  return all.filter((one) => !set.has(one))
}

function twice(all: readonly string[]): string[] {
  const seen = new Set<string>()
  return all.filter((one) => seen.has(one) || !seen.add(one))
}

function outOfOrder(lane: readonly string[], place: ReadonlyMap<string, number>): string[] {
  const known = lane.filter((id) => place.has(id))
  return known.filter((id, i) => i > 0 && (place.get(id) ?? 0) < (place.get(known[i - 1] ?? '') ?? 0))
}
