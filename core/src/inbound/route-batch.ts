import type { ChannelKind } from '../config/contract.js'
import type { Facts, NewWorkItem } from '../routing/contract.js'
import type { BatchDeps, PendingRoute, Routable } from './batch-contract.js'
import type { NewDecision } from './decision-store.js'

/** Asks the router for all conversations at once and turns its decisions into work items. */
export function routeBatch<P>(deps: BatchDeps<P>, needs: readonly Routable[]) {
  const items: NewWorkItem[] = []
  const decisions: NewDecision[] = []
  const pending: PendingRoute[] = []
  if (needs.length === 0) return { items, decisions, pending, queues: [] as string[] }
  const now = new Date(deps.clock.now()).toISOString()
  const requests = needs.map((need) => ({
    trigger: need.trigger,
    facts: factsOf(need, now, deps.channelKind(need.channel)),
  }))
  const batch = deps.router.decide(requests)
  needs.forEach((need, i) => {
    const made = batch.decisions[i]!
    const { conversation } = need
    const { work } = made
    const id = deps.ids()
    if (work === null) {
      conversation.status = 'resolved'
      conversation.resolvedAt = need.input.receivedAt
    } else {
      const { plan } = work
      conversation.queue = plan.queue
      conversation.priority = plan.priority
      conversation.tags = [...new Set([...conversation.tags, ...(plan.tags ?? [])])]
      items.push({
        id,
        conversation: conversation.id,
        channel: need.channel,
        channelKind: deps.channelKind(need.channel),
        plan,
        planVersion: made.version,
        held: made.pending ? { until: null, reason: 'routing' } : work.held,
        // Whoever handled it last knows it best, after those the plan names.
        overcommit: work.overcommit ?? [],
        preferred: [...new Set([...work.preferred, ...need.formerAgents])],
        returnsTo: need.trigger === 'reopened' ? (need.formerAgents[0] ?? null) : null,
      })
      if (made.pending) pending.push({ item: id, decision: made.pending })
    }
    decisions.push({
      id: deps.ids(),
      conversation: conversation.id,
      workItem: work === null ? null : id,
      trigger: need.trigger,
      source: made.source,
      rule: made.rule,
      version: made.version,
      reason: made.decision.reason,
      facts: JSON.stringify({ ...(made.facts ?? requests[i]!.facts), random: made.random }),
      plan: work === null ? null : JSON.stringify(work.plan),
    })
  })
  return { items, decisions, pending, queues: [...new Set(items.map((item) => item.plan.queue))] }
}

function factsOf(need: Routable, now: string, kind: ChannelKind): Facts {
  const { conversation, input } = need
  return Object.freeze({
    now,
    contact: {
      id: input.contact.id,
      tier: input.contact.tier,
      language: input.contact.language,
      verified: input.verified,
      attributes: input.contact.attributes,
    },
    conversation: {
      id: conversation.id,
      status: conversation.status,
      priority: conversation.priority,
      tags: conversation.tags,
      language: conversation.language,
      subject: conversation.subject,
      isNew: need.trigger === 'created',
      lastAgent: conversation.assignee,
    },
    message: {
      text: need.text.slice(0, 2000),
      length: need.text.length,
      automatic: false,
      hasAttachments: need.hasAttachments,
      choice: need.choice,
    },
    channel: { id: need.channel, kind },
  })
}
