import type { Config } from '../config/contract.js'
import type { Ids } from '../ids.js'
import type { Facts, ReplanService, ReplanResult, Rules, WorkContext } from './contract.js'
import { backupsOf, judge, type DecisionNames } from './decision.js'
import { applyReplanned, waitingItems, type Replanned, type WaitingItem } from './replan-store.js'
import { byRules, planChanges, plannedBy } from './rules/replay.js'
import { transact, type TransactDeps } from './transact.js'
import { headStart } from './units.js'
import { workEvent } from './work-events.js'

export interface ReplanDeps extends TransactDeps {
  readonly config: Config
  readonly ids: Ids
  readonly rules: Rules & { version(file: 'routing'): string | null }
  readonly wake: (queues: readonly string[]) => void
}

const PAGE = 200
const FIRST = '00000000-0000-0000-0000-000000000000'

/**
 * Waiting items keep the plan they were given when rules change. This shows what the rules in force would say instead, over
 * the facts of each item's own decision, and with `apply` gives them that plan. Offered and assigned work stays as it is.
 */
export function createReplan(deps: ReplanDeps): ReplanService {
  const names: DecisionNames = {
    queues: new Set(deps.config.queues.map((queue) => queue.id)),
    defaultQueue: deps.config.defaultQueue,
    backups: backupsOf(deps.config.agents),
  }
  return Object.freeze({
    async replan({ queue, apply }: Parameters<ReplanService['replan']>[0], context: WorkContext) {
      const version = deps.rules.version('routing') ?? 'default'
      const result = { version, looked: 0, kept: 0, changes: [] as ReplanResult['changes'][number][], applied: 0 }
      for (let after = FIRST; ;) {
        const page = await waitingItems(deps.db, { version, queue: queue ?? null, after, limit: PAGE })
        const last = page.at(-1)
        if (last === undefined) break
        after = last.id
        result.looked += page.length
        const planned = page.flatMap((item) => planAnew(deps, names, item) ?? [])
        result.kept += page.length - planned.length
        const changed = planned.filter((one) => one.fields.length > 0)
        result.changes.push(
          ...changed.map(({ conversation, from, to, fields }) => ({ conversation, from, to, fields })),
        )
        if (apply && changed.length > 0) {
          const items = changed.map((one) => one.item)
          result.applied += await write(deps, items, context)
        }
      }
      return result
    },
  } satisfies ReplanService)
}

type Planned = ReplanResult['changes'][number] & { readonly item: Replanned }

/** null: not the rules' to change: placed by hand, or by a plugin. */
function planAnew(deps: ReplanDeps, names: DecisionNames, item: WaitingItem): Planned | null {
  if (item.queue !== item.plan['queue'] || !byRules(item)) return null
  const found = deps.rules.evaluate('routing', item.facts)
  const plan = plannedBy(found, names.defaultQueue)
  const rule = found?.rule ?? null
  const reason = rule === null ? 'no rule names a queue' : `rule ${rule}`
  const judged = judge({ to: 'queue', plan, reason }, item.facts as unknown as Facts, names)
  if (!judged.ok || judged.work === null) return null
  const version = deps.rules.version('routing') ?? 'default'
  const old = item.plan as { readonly priority?: never; readonly headStartS?: number }
  return {
    conversation: item.conversation,
    from: { rule: item.rule, version: item.planVersion },
    to: { rule, version },
    fields: planChanges(item.plan, plan),
    item: {
      id: item.id,
      conversation: item.conversation,
      epoch: item.epoch,
      queue: plan.queue,
      priority: plan.priority,
      forwardS: headStart(plan.priority, plan.headStartS) - headStart(old.priority ?? 'normal', old.headStartS),
      // As at the first time: whoever handled it last knows it best, after those the plan names.
      preferred: [...new Set([...judged.work.preferred, ...lastAgentOf(item.facts)])],
      plan,
      planVersion: version,
      slaPolicy: plan.slaPolicy ?? null,
      tags: plan.tags ?? [],
      decision: deps.ids(),
      source: item.source,
      rule,
      reason,
    },
  }
}

function lastAgentOf(facts: WaitingItem['facts']): readonly string[] {
  const { lastAgent } = (facts['conversation'] ?? {}) as Partial<Facts['conversation']>
  return typeof lastAgent === 'string' ? [lastAgent] : []
}

async function write(deps: ReplanDeps, items: readonly Replanned[], context: WorkContext): Promise<number> {
  const written = await transact(deps, async (trx, emit) => {
    const changed = await applyReplanned(trx, items)
    emit(changed.map((item) => workEvent('work.queued', item, context, { after: 'replan' })))
    return changed
  })
  deps.wake([...new Set(written.map((item) => item.queue))])
  return written.length
}
