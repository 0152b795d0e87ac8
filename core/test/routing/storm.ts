import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../src/store/store.js'
import { draw } from '../bench/rule-set.js'
import { QUEUES } from './acts.js'
import { broken, queue } from './harness.js'

export type StormMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'swept'; readonly begin: number; readonly end: number }
  | { readonly kind: 'fault'; readonly what: string }

export const STORM_QUEUES = QUEUES.map((id) => queue(id))
const NODES = 3
/** What only a sweep repairs may stand until so many whole sweeps have gone over it. */
const SWEEPS = 3

export interface Storm {
  readonly kills: number
  readonly checks: number
  readonly sweeps: number
  readonly faults: readonly string[]
  /** By the number of the invariant. */
  readonly wrong: ReadonlyMap<string, ReadonlySet<string>>
}

/** Several dispatchers in processes of their own do everything at once; one after the other is killed and replaced. */
export async function storm(
  store: Store,
  options: { readonly seed: number; readonly seconds: number },
): Promise<Storm> {
  const next = draw(options.seed)
  const faults: string[] = []
  const sweeps: { begin: number; end: number }[] = []
  const wrong = new Map<string, Set<string>>()
  const blame = (what: string): void => {
    const id = what.split(' ')[0] ?? ''
    wrong.set(id, (wrong.get(id) ?? new Set()).add(what))
  }
  let kills = 0
  const begin = (): ChildProcess => {
    const args = [store.url, String(next(1_000_000))]
    const child = fork(new URL('./storm-node.js', import.meta.url), args, { execArgv: [] })
    child.on('message', (message: StormMessage) => {
      if (message.kind === 'fault') faults.push(message.what)
      if (message.kind === 'swept') sweeps.push(message)
    })
    child.on('exit', (code, signal) => {
      if (signal !== 'SIGKILL') faults.push(`a node ended by itself: ${code ?? signal}`)
    })
    return child
  }
  const nodes = Array.from({ length: NODES }, begin)
  const kill = async (at: number): Promise<void> => {
    const child = nodes[at]!
    const gone = child.exitCode !== null || child.signalCode !== null ? null : once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const seen = new Map<string, number>()
  let checks = 0
  const until = Date.now() + options.seconds * 1000
  try {
    await Promise.all(nodes.map((child) => once(child, 'message')))
    while (Date.now() < until) {
      for (let rounds = 1 + next(6); rounds > 0; rounds--) {
        for (const what of await broken(store)) blame(what)
        const now = Date.now()
        const open = new Set(await unrepaired(store))
        for (const key of seen.keys()) if (!open.has(key)) seen.delete(key)
        for (const key of open) {
          const since = seen.get(key) ?? now
          seen.set(key, since)
          if (sweeps.filter((one) => one.begin > since && one.end < now).length >= SWEEPS) blame(key)
        }
        checks += 1
        await delay(100)
      }
      const victim = next(NODES)
      await kill(victim)
      kills += 1
      const child = begin()
      nodes[victim] = child
      await once(child, 'message')
    }
  } finally {
    await Promise.all(nodes.map((_, at) => kill(at)))
  }
  return { kills, checks, sweeps: sweeps.length, faults, wrong }
}

/**
 * What sweeps are there for, each with the version of what is concerned, so that one that comes back is another one: work
 * and an agent with room for it beside each other (I5), offers past their time (I4), items nobody told why they wait (I8).
 */
export async function unrepaired(store: Store): Promise<readonly string[]> {
  const { rows } = await store.pool.query<{ what: string }>(
    `
    select 'I5 item ' || w.id || ' epoch ' || w.epoch || ' waits beside ' || l.agent_id || ' version ' || l.version as what
      from work_item w cross join agent_load l join agent_presence p using (agent_id)
      where w.state = 'queued' and l.accepting and l.reserved + l.active + w.units <= l.capacity
        and not l.by_channel ? 'voice' and (w.channel_kind <> 'voice' or l.reserved + l.active = 0)
        and (p.status = 'online' or (p.status = 'busy' and w.channel_kind not in ('voice', 'webchat')))
        and coalesce((w.excluded->>l.agent_id)::timestamptz <= clock_timestamp(), true)
        and exists (select 1 from presence_session s where s.agent_id = l.agent_id and s.lost_at is null
          and s.lease_until > clock_timestamp())
    union all select 'I4 offer ' || id || ' is pending past its time' from offer
      where state = 'pending' and expires_at < clock_timestamp()
    union all select 'I8 item ' || id || ' epoch ' || epoch || ' waits without a reason' from work_item
      where state = 'queued' and waiting_reason is null`,
  )
  return rows.map((row) => row.what)
}
