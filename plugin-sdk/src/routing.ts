import type { Lifecycle } from './define.js'

export type Priority = 'urgent' | 'high' | 'normal' | 'low'

/** What a rule file or a routing plugin yields for one work item; kept with the version of what made it. */
export type Plan = {
  readonly queue: string
  readonly priority: Priority
  /** Seconds added to the item's place in the queue. */
  readonly headStartS?: number
  readonly steps?: readonly PlanStep[]
  /** Preferred agents, best first: `account_manager`, `last_agent`, or an agent's id. */
  readonly preferred?: readonly string[]
  readonly slaPolicy?: string
  readonly tags?: readonly string[]
  /** A customer who finds nobody at once is told once about how long it takes, with the template `offer-wait`. */
  readonly tellWait?: boolean
}

export type PlanStep = {
  readonly skills?: Readonly<Record<string, number>>
  readonly languages?: Readonly<Record<string, string>>
  readonly teams?: readonly string[]
  readonly drop?: readonly string[]
  readonly seconds?: number
  readonly overflow?: string
  readonly addHeadStartS?: number
  readonly translate?: boolean
  /** Passed over at once when nobody who would be asked is there, or nobody of them has room. */
  readonly skipIf?: 'logged_in==0' | 'free==0'
}

/** What is known when a conversation needs a place. Plain data, frozen; the same request gives the same decision. */
export type RouteRequest = {
  readonly trigger: 'created' | 'reopened' | 'transferred' | 'changed'
  /** Facts by the published fact schema: contact, conversation, message, channel, queue, now. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly queues: readonly string[]
  /** 0 ≤ random < 1, chosen by the core and recorded. */
  readonly random: number
}

export type Decision = {
  readonly reason: string
  /** Rule that decided. */ readonly rule?: string
  /** Version of the rule file or plugin. */ readonly version?: string
} & (
  | { readonly to: 'queue'; readonly plan: Plan }
  | { readonly to: 'agent'; readonly id: string; readonly plan?: Plan }
  | { readonly to: 'assistant'; readonly id: string }
  | { readonly to: 'hold'; readonly until: string }
  | { readonly to: 'close' }
  | { readonly to: 'pass' }
)

/**
 * Pure over the request, hence replayable. A synchronous answer is taken inside the drain's batch; an asynchronous one
 * leaves the item held for at most 500 ms, then the next plugin and last the rules' plan take over.
 */
export interface Routing extends Lifecycle {
  route(request: RouteRequest): Decision | Promise<Decision>
}
