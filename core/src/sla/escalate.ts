import type { Transaction } from 'kysely'
import type { NewEvent } from '../events/contract.js'
import type { WorkRanks } from '../routing/contract.js'
import type { Tables } from '../store/tables.js'
import { fire, type Clock } from './clock.js'
import { clockEvent } from './clock-events.js'
import { readDue, readFacts, writeClocks, type ConversationFacts } from './clock-store.js'
import type { FollowDeps } from './follow.js'
import { BREACH, isWarning } from './levels.js'
import { policyFacts } from './policy-facts.js'

export interface EscalateDeps extends FollowDeps {
  readonly ranks: Pick<WorkRanks, 'boost' | 'raise'>
}

/** What a rule of escalation.json orders. The linter has checked it. */
export type EscalationAction =
  | { readonly do: 'notify'; readonly to: readonly string[] }
  | { readonly do: 'head_start'; readonly seconds: number }
  | { readonly do: 'reassign'; readonly queue: string }
  | { readonly do: 'raise_priority'; readonly to: 'urgent' | 'high' | 'normal' }
  | { readonly do: 'webhook'; readonly name: string }

const BATCH = 200

/**
 * Fires the levels that are due by database time. The caller holds the cursor and has followed the log to its head, so a
 * reply in time is known. Each level fires once: it leaves `levels` in the same transaction. Answers how many clocks
 * fired, and the events. What changes rank and priority happens here; the rest is done by who reads `sla.escalated`.
 */
export async function fireDue(
  deps: EscalateDeps,
  trx: Transaction<Tables>,
  until: Date | null,
): Promise<{ readonly clocks: number; readonly events: readonly NewEvent[] }> {
  const due = await readDue(trx, until, BATCH)
  if (due.length === 0) return { clocks: 0, events: [] }
  await deps.known.load(due.map((clock) => clock.calendarVersion))
  const facts = new Map(
    (await readFacts(trx, [...new Set(due.map((clock) => clock.conversation))])).map((f) => [f.id, f]),
  )
  const events: NewEvent[] = []
  const changed: Clock[] = []
  const boosts: { conversation: string; seconds: number }[] = []
  const raises: { conversation: string; priority: 'urgent' | 'high' | 'normal' }[] = []
  for (const clock of due) {
    const moment = clock.nextAt
    if (moment === null) continue
    // One level at a time: what is late by hours fires in its order, in the next rounds.
    const fired = fire(clock, moment, deps.known.of(clock.calendarVersion))
    changed.push(fired.clock)
    const about = facts.get(clock.conversation)
    for (const level of fired.levels) {
      if (level === BREACH) events.push(clockEvent('sla.breached', fired.clock, { level }))
      else if (isWarning(level)) events.push(clockEvent('sla.warned', fired.clock, { level }))
      const ordered = about === undefined ? null : escalationOf(deps, about, clock, level)
      if (ordered === null) continue
      events.push(clockEvent('sla.escalated', fired.clock, { level, ...ordered }))
      for (const action of ordered.actions) {
        if (action.do === 'head_start') boosts.push({ conversation: clock.conversation, seconds: action.seconds })
        if (action.do === 'raise_priority') raises.push({ conversation: clock.conversation, priority: action.to })
      }
    }
  }
  await writeClocks(trx, changed)
  events.push(...(await deps.ranks.raise(trx, raises)))
  await deps.ranks.boost(trx, boosts)
  return { clocks: changed.length, events }
}

function escalationOf(
  deps: EscalateDeps,
  facts: ConversationFacts,
  clock: Clock,
  level: string,
): { readonly rule: string; readonly version: string; readonly actions: readonly EscalationAction[] } | null {
  const touchpoint = clock.touchpoint ?? facts.known?.touchpoint ?? null
  const channel = (touchpoint === null ? null : facts.channels[touchpoint]) ?? Object.values(facts.channels)[0] ?? null
  const result = deps.rules.evaluate('escalation', {
    ...policyFacts(facts, channel, deps.channelKind, deps.now()),
    level,
    clock: { metric: clock.metric, policy: clock.policy, cycle: clock.cycle, target_s: clock.targetS },
  })
  if (result === null) return null
  return {
    rule: result.rule,
    version: result.version,
    actions: result.then['actions'] as readonly EscalationAction[],
  }
}
