import type { Decision, Plan, QueuePlace, RouteRequest } from '@throughline/plugin-sdk'
import type { Transaction } from 'kysely'
import type { ChannelKind } from '../config/contract.js'
import type { Actor } from '../identity/contract.js'
import type { Tables } from '../store/tables.js'
import type { NewEvent } from '../events/contract.js'

export type { Decision, Plan, RouteRequest }

/** Facts of one routing decision, by the published fact schema (routing/fact-schema.ts). Plain JSON, frozen. */
export interface Facts {
  readonly now: string
  readonly contact: {
    readonly id: string
    readonly accountManager?: string | null
    readonly tier: string | null
    readonly language: string | null
    readonly verified: boolean
    readonly attributes: Readonly<Record<string, unknown>>
  }
  readonly conversation: {
    readonly id: string
    readonly status: string
    readonly priority: string
    readonly tags: readonly string[]
    readonly language: string | null
    readonly subject: string | null
    readonly isNew: boolean
    readonly lastAgent: string | null
  }
  readonly message: {
    readonly text: string
    readonly length: number
    readonly automatic: boolean
    readonly hasAttachments: boolean
    /** Value of the choice that the message is: a pressed button, or the number of a listed one. */
    readonly choice?: string | null
  } | null
  readonly channel: { readonly id: string; readonly kind: ChannelKind }
}

/** Decides for a whole batch, before and outside the drain's transaction. Never throws: the default queue is the floor. */
export interface Router {
  decide(requests: readonly { readonly trigger: RouteRequest['trigger']; readonly facts: Facts }[]): RoutingBatch
}

/**
 * Decisions in the requests' order. `pending`: an asynchronous plugin was asked; the item is stored as held, and
 * `settle` (after the commit) awaits at most 500 ms and then applies the plugin's or the rules' plan.
 */
export interface RoutingBatch {
  readonly decisions: readonly RoutingDecision[]
}

/** The part of a work item that a decision settles. Names such as `last_agent` are already agents' ids. */
export interface PlannedWork {
  readonly plan: Plan
  readonly held: { readonly until: Date | null; readonly reason: string } | null
  readonly preferred: readonly string[]
  /** Those of the preferred who may take it although they are full: account managers. */
  readonly overcommit?: readonly string[]
}

/** What was decided in the end, by whom. */
export interface SettledDecision {
  readonly decision: Decision
  readonly source: string
  readonly version: string
  readonly rule: string | null
  /** null: the decision is `close`, nobody has to handle the conversation. */
  readonly work: PlannedWork | null
  /** The facts it was made from, where they are more than those of the request. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export interface RoutingDecision extends SettledDecision {
  /** Plugin instance that decided, or `default`; while `pending`, the one that was asked. */
  readonly source: string
  /**
   * Never rejects, and is there within 500 ms a plugin. Hand it to WorkService.settle after the commit: facts are loaded
   * only when it is awaited.
   */
  readonly pending: PromiseLike<SettledDecision> | null
  /** The 0 ≤ random < 1 the plugins were given. */
  readonly random: number
}

/** The engine's rule files. `continuity` always answers: the built-in rules are its floor. */
export interface Rules {
  evaluate(file: RuleFileKind, facts: Readonly<Record<string, unknown>>): RuleResult | null
}
export type RuleFileKind = 'routing' | 'continuity' | 'sla' | 'escalation'
export interface RuleResult {
  /** The rule that decided. */
  readonly rule: string
  readonly version: string
  readonly then: Readonly<Record<string, unknown>>
  readonly trace: {
    /** Rules whose condition held, in the order of the file. */
    readonly matched: readonly string[]
    /** Rules that failed while running; each counted as not matching. */
    readonly failed: readonly string[]
  }
}

/** A work item about to be written by the drain. */
export interface NewWorkItem {
  readonly id: string
  readonly conversation: string
  readonly channel: string
  readonly channelKind: ChannelKind
  readonly plan: Plan
  readonly planVersion: string
  readonly held: { readonly until: Date | null; readonly reason: string } | null
  readonly preferred: readonly string[]
  /** Those of the preferred who may take it although they are full. */
  readonly overcommit?: readonly string[]
  /** The conversation was reopened: the agent who had it gets it back at once if there and with room. */
  readonly returnsTo?: string | null
}

/** Work items and offers; all capacity is decided in one row of agent_load. */
export interface WorkService {
  /** Writes new items and their events, set-based, inside the drain's transaction. Answers the events to append. */
  enqueue(trx: Transaction<Tables>, items: readonly NewWorkItem[]): Promise<readonly NewEvent[]>
  /** Something may be routable now (item queued, capacity freed, presence changed). Coalesced; returns at once. */
  wake(queues?: readonly string[]): void
  accept(offerId: string, agent: string, cause: string, within?: Within): Promise<{ readonly conversation: string }>
  decline(offerId: string, agent: string, reason: string | null, cause: string, within?: Within): Promise<void>
  presented(offerId: string, agent: string): Promise<void>
  transfer(
    conversation: string,
    to: { readonly agent: string } | { readonly queue: string },
    note: string | null,
    context: WorkContext,
  ): Promise<void>
  release(conversation: string, context: WorkContext): Promise<void>
  /** Ends the work: units released. Called when the conversation is resolved, too. */
  complete(conversation: string, disposition: string | null, context: WorkContext): Promise<void>
  claim(conversation: string, agent: string, context: WorkContext & { readonly force?: boolean }): Promise<void>
  /**
   * Hard skills a conversation's work asks for from now on, by level 1 to 10. Open offers to agents without them are taken
   * back; an agent who has accepted keeps it. Throws TL_COMMAND_CONFLICT where nobody has to handle it.
   */
  require(conversation: string, skills: Readonly<Record<string, number>>, context: WorkContext): Promise<void>
  /** Open ones, which wait for the agent's answer. */
  offersOf(agent: string): Promise<readonly OfferView[]>
  decisions(conversation: string): Promise<readonly unknown[]>
  /** Read now; `QueueBoard.latest` is what is at hand. */
  queueStats(): Promise<readonly QueueStat[]>
}

/** One queue at one moment. Spans in seconds. */
export interface QueueStat {
  readonly queue: string
  /** Items that wait for an agent, and those held back: closed hours, a pending decision. */
  readonly waiting: number
  readonly held: number
  readonly offered: number
  readonly assigned: number
  /** null: nobody waits. What was held for opening hours waits from the opening on. */
  readonly oldestWaitS: number | null
  /** Agents who serve the queue and take work now; those of them with room for one more. */
  readonly loggedIn: number
  readonly free: number
  /** Expected wait of a newcomer. null: fewer than two agents, or nothing known of how long the work takes. */
  readonly wait: { readonly p50S: number; readonly p80S: number } | null
  /** A supervisor lets new work go to this queue instead. */
  readonly drainedTo: string | null
}

/** The figures of all queues on this node, at most five seconds old. Never throws. */
export interface QueueBoard {
  /** By queue; empty until first read. What rules ask: no database behind it. */
  latest(): ReadonlyMap<string, QueueStat>
  read(): Promise<readonly QueueStat[]>
  /** Where a conversation stands in its queue, from 1, and what is left of its wait. null: it does not wait. */
  waitOf(conversation: string): Promise<{
    readonly queue: string
    readonly position: number
    readonly estimate: { readonly p50S: number; readonly p80S: number } | null
  } | null>
  /** The same for threads that customers' clients follow (`<channel>/<thread>`), read together; who does not wait is left out. */
  placesOf(watches: readonly string[]): Promise<ReadonlyMap<string, QueuePlace>>
}

/** Rules were edited while items wait: they keep their plan until somebody asks for this. */
export interface ReplanService {
  /** Looks at the waiting items (of one queue); `apply` gives them the plan of the rules in force. Safe to repeat. */
  replan(what: { readonly queue?: string; readonly apply: boolean }, context: WorkContext): Promise<ReplanResult>
}

export interface ReplanResult {
  /** Of the rules in force. */
  readonly version: string
  /** Items that wait with the plan of another version. */
  readonly looked: number
  /** Of these, placed by hand or by a plugin: never touched. */
  readonly kept: number
  /** Items whose plan differs, and how. */
  readonly changes: readonly {
    readonly conversation: string
    readonly from: { readonly rule: string | null; readonly version: string }
    readonly to: { readonly rule: string | null; readonly version: string }
    readonly fields: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[]
  }[]
  /** Items that were given their new plan. */
  readonly applied: number
}

/** What the drain and the conversations need of work inside their own transactions. */
export interface WorkLedger {
  /**
   * After the commit: awaits a pending decision and applies it to the item that was stored as held. A node that dies
   * meanwhile leaves the item to the sweeper, which queues it by the plan it was stored with. Never rejects.
   */
  settle(waiting: { readonly item: string; readonly decision: PromiseLike<SettledDecision> }): Promise<void>
  /** Ends the live work item inside the caller's transaction, which holds the conversation's row lock. */
  end(
    trx: Transaction<Tables>,
    conversation: string,
    as: WorkEnd,
    context: Pick<WorkContext, 'actor' | 'cause'>,
  ): Promise<readonly NewEvent[]>
  /** Split-off conversations whose customer waits get an item; answers its events. See open-work.ts. */
  open(trx: Transaction<Tables>, conversations: readonly string[]): Promise<readonly NewEvent[]>
  /** `from` was joined into `into`: one live item survives, with the better place. Both rows are locked by the caller. */
  join(
    trx: Transaction<Tables>,
    from: string,
    into: string,
    context: Pick<WorkContext, 'actor' | 'cause'>,
  ): Promise<readonly NewEvent[]>
}

/** What SLA clocks do to work, inside their own transaction. Locks: conversations by id, then items by id. */
export interface WorkRanks {
  /** The earliest promise of each conversation; its item ranks at least ten minutes before it is due. null: none. */
  promise(
    trx: Transaction<Tables>,
    due: readonly { readonly conversation: string; readonly dueAt: Date | null }[],
  ): Promise<void>
  /** Ahead by so many seconds, once a call. */
  boost(
    trx: Transaction<Tables>,
    boosts: readonly { readonly conversation: string; readonly seconds: number }[],
  ): Promise<void>
  /** Raises the priority of conversation and item, with its head start; never lowers. Answers the events of it. */
  raise(
    trx: Transaction<Tables>,
    raises: readonly { readonly conversation: string; readonly priority: 'urgent' | 'high' | 'normal' }[],
  ): Promise<readonly NewEvent[]>
}

/** How work ends: handled, the customer left, no longer needed. */
export type WorkEnd = 'done' | 'abandoned' | 'cancelled'

/** Runs inside the transaction of the act, after its effect: for the stored result of a command. */
export type Within = (trx: Transaction<Tables>, result?: unknown) => Promise<void>

export interface WorkContext {
  readonly actor: Actor
  readonly cause?: string | undefined
  readonly within?: Within | undefined
}

export interface OfferView {
  readonly id: string
  readonly conversation: string
  readonly agent: string
  readonly state: string
  readonly channelKind: string
  readonly expiresAt: Date
}

export type UnifiedStatus = 'online' | 'busy' | 'away' | 'wrap' | 'offline'

/** Scheduled time, and how much of it an agent took work. Times to come are not counted. */
export interface Adherence {
  readonly scheduledS: number
  readonly adheredS: number
  /** 0 to 1; null: nothing was scheduled. */
  readonly adherence: number | null
}

/** Acts of supervisors on queues and on conversations that are not theirs; each leaves an event with its author. */
export interface SupervisionService {
  /** A head start in seconds, or a step back. Throws TL_COMMAND_CONFLICT where nothing waits. */
  reorder(conversation: string, headStartS: number, reason: string, context: WorkContext): Promise<void>
  /**
   * What waits in a queue, and what comes to it from now on, goes to another one: `to`, else its overflow, else the default
   * queue. Offers and assignments stay. Throws TL_COMMAND_NOT_FOUND, _INVALID, and _CONFLICT where the other is drained, too.
   */
  drain(queue: string, to: string | null, reason: string, context: WorkContext): Promise<{ readonly to: string }>
  resume(queue: string, context: WorkContext): Promise<void>
  /** Listen in (told to supervisors only) or join (told to all); `on` false: leave. */
  watch(conversation: string, mode: 'monitor' | 'barge', on: boolean, context: WorkContext): Promise<void>
  watchers(
    conversation: string,
  ): Promise<readonly { readonly agent: string; readonly mode: string; readonly since: Date }[]>
}

export interface WorkforceService {
  /** Throws TL_COMMAND_INVALID for a span that is empty or longer than a year. */
  adherence(agent: string, from: Date, to: Date): Promise<Adherence>
}

/** Availability (what the agent says) and connection (what the sockets say): two axes. */
export interface PresenceService {
  set(
    agent: string,
    to: {
      /** A unified status, or a name of the configuration that stands for one. */
      readonly status: string
      readonly reason?: string | null
      readonly channels?: Readonly<Record<string, boolean>>
      readonly until?: Date | null
      /** Towards away, wrap, offline: no new offers now, the status once the work in hand is done. */
      readonly finish?: boolean
      /** Kinds of channel whose accepted work goes back to the queues, in one transaction with the status. */
      readonly handBack?: readonly string[] | 'all'
    },
    context: WorkContext,
  ): Promise<void>
  /** A supervisor keeps new work away from an agent, or lets it come again. */
  freeze(agent: string, on: boolean, reason: string | null, context: WorkContext): Promise<void>
  connected(session: { readonly id: string; readonly agent: string }): Promise<void>
  /** One batched renewal a node; the sockets call `beat` in memory only. */
  beat(sessionId: string): void
  /** `bye`: true when the client said goodbye (pending offers are rescinded at once). */
  disconnected(sessionId: string, bye: boolean): Promise<void>
  of(agent: string): Promise<{
    readonly status: UnifiedStatus
    readonly label: string | null
    readonly reason: string | null
    /** Who set it: `agent`, `schedule`, `misses`, `supervisor`, `system`. */
    readonly source: string
    readonly finishingTo: UnifiedStatus | null
    readonly frozen: boolean
    readonly connection: 'connected' | 'grace' | 'lost'
  }>
}
