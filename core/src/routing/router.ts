import type { Decision, RouteRequest, Routing } from '@throughline/plugin-sdk'
import type { Config } from '../config/contract.js'
import type { Instance } from '../plugins/contract.js'
import type { Facts, Router, RoutingDecision, SettledDecision } from './contract.js'
import { backupsOf, judge, type DecisionNames } from './decision.js'
import type { FailureReport } from './failures.js'
import type { RuleFacts } from './rule-facts.js'

export interface RouterDeps {
  /** Routing instances in the order of YAML. Asked for each decision: instances come and go. */
  readonly instances: () => readonly Instance<Routing>[]
  readonly config: Config
  readonly report: FailureReport
  /** Further facts, where live rules name some. */
  readonly facts?: RuleFacts
  /** 0 ≤ random < 1. Chosen here and recorded, so that a decision can be replayed. */
  readonly random: () => number
}

/** Longest an asynchronous plugin may keep a customer waiting; then the next one is asked. */
const PATIENCE_MS = 500

type Outcome = SettledDecision | 'next' | { readonly wait: Promise<unknown> }

/**
 * Asks the routing plugins in order; the first usable answer decides, and the default queue is the floor. Nothing a plugin
 * does can make this throw or wait: promises are handed on as `pending`.
 */
export function createRouter(deps: RouterDeps): Router {
  const names: DecisionNames = {
    queues: new Set(deps.config.queues.map((queue) => queue.id)),
    defaultQueue: deps.config.defaultQueue,
    backups: backupsOf(deps.config.agents),
  }
  const queues = Object.freeze([...names.queues])

  const ask = (instance: Instance<Routing>, request: RouteRequest): Outcome => {
    const { live } = instance
    if (live === null) return 'next'
    try {
      const run = (): unknown => live.route(request)
      const answer = instance.inside === undefined ? run() : instance.inside('route', run)
      return isThenable(answer) ? { wait: Promise.resolve(answer) } : accept(instance, answer, request)
    } catch {
      deps.report.plugin(instance.id, 'route threw an error')
      return 'next'
    }
  }

  const accept = (instance: Instance<Routing>, answer: unknown, request: RouteRequest): SettledDecision | 'next' => {
    const judged = judge(answer, request.facts as unknown as Facts, names)
    if (!judged.ok) {
      if (judged.reason !== 'pass') deps.report.plugin(instance.id, judged.reason)
      return 'next'
    }
    const decision = answer as Decision
    const planned = judged.work !== null && decision.to === 'agent' ? { ...decision, plan: judged.work.plan } : decision
    return {
      decision: planned,
      source: instance.id,
      version: typeof decision.version === 'string' ? decision.version : instanceVersion(instance),
      rule: typeof decision.rule === 'string' ? decision.rule : null,
      work: judged.work,
    }
  }

  /** From the instance at `from` on. Rejections end here: `pending` never rejects. */
  const settle = async (
    wait: Promise<unknown>,
    from: number,
    instances: readonly Instance<Routing>[],
    request: RouteRequest,
  ): Promise<SettledDecision> => {
    let waiting: Promise<unknown> | null = wait
    for (let at = from; at < instances.length; at++) {
      const instance = instances[at]
      if (instance === undefined) break
      const outcome: Outcome = waiting === null ? ask(instance, request) : { wait: waiting }
      waiting = null
      if (outcome === 'next') continue
      if (!('wait' in outcome)) return outcome
      const answered = outcome.wait
      try {
        const settled = accept(instance, await instance.call('route', PATIENCE_MS, () => answered), request)
        if (settled !== 'next') return settled
      } catch {
        deps.report.plugin(instance.id, `route failed, or took more than ${PATIENCE_MS} ms`)
      }
    }
    return floor(names)
  }

  const decideOne = (trigger: RouteRequest['trigger'], facts: Facts, random = deps.random()): RoutingDecision => {
    const request: RouteRequest = Object.freeze({ trigger, facts: frozenFacts(facts), queues, random })
    const instances = deps.instances()
    for (const [at, instance] of instances.entries()) {
      const outcome = ask(instance, request)
      if (outcome === 'next') continue
      if (!('wait' in outcome)) return { ...outcome, pending: null, random }
      const pending = settle(outcome.wait, at, instances, request)
      const meanwhile = floor(names)
      // Queued by the sweeper in any case: should this node die now, the item waits a moment longer, not for ever.
      const held = { until: null, reason: 'routing' }
      const work = meanwhile.work === null ? null : { ...meanwhile.work, held }
      return { ...meanwhile, source: instance.id, work, pending, random }
    }
    return { ...floor(names), pending: null, random }
  }

  /** Live rules name facts that somebody has to be asked for: the item is held until they are there, after the commit. */
  const decideLater = (
    { trigger, facts }: Parameters<Router['decide']>[0][number],
    at: number,
    later: () => Promise<readonly Readonly<Record<string, unknown>>[]>,
  ): RoutingDecision => {
    const random = deps.random()
    const ask = async (): Promise<SettledDecision> => {
      const all = { ...facts, ...deps.facts?.atHand(), ...(await later())[at] }
      const made = decideOne(trigger, all, random)
      return { ...(made.pending === null ? made : await made.pending), facts: { ...all, random } }
    }
    let asked: Promise<SettledDecision> | undefined
    const pending: PromiseLike<SettledDecision> = {
      then: (done, failed) => (asked ??= ask()).then(done, failed),
    }
    const meanwhile = floor(names)
    const held = { until: null, reason: 'routing' }
    const work = meanwhile.work === null ? null : { ...meanwhile.work, held }
    return { ...meanwhile, source: 'facts', work, pending, random }
  }

  return Object.freeze({
    decide: (requests: Parameters<Router['decide']>[0]) => {
      const later = deps.facts?.later(requests.map((request) => request.facts)) ?? null
      if (later !== null) return { decisions: requests.map((request, at) => decideLater(request, at, later)) }
      const atHand = deps.facts?.atHand() ?? {}
      return {
        decisions: requests.map(({ trigger, facts }) => {
          if (Object.keys(atHand).length === 0) return decideOne(trigger, facts)
          const all = { ...facts, ...atHand }
          return { ...decideOne(trigger, all), facts: all }
        }),
      }
    },
  })
}

function floor(names: DecisionNames): SettledDecision {
  const plan = { queue: names.defaultQueue, priority: 'normal' as const }
  return {
    decision: { to: 'queue', plan, reason: 'no routing plugin decided' },
    source: 'default',
    version: 'default',
    rule: null,
    work: { plan, held: null, preferred: [] },
  }
}

function instanceVersion(instance: Instance<Routing>): string {
  return instance.status().version ?? 'unknown'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** A copy of plain data nobody can change and through which no prototype can be reached. */
export function frozenFacts(facts: unknown): Readonly<Record<string, unknown>> {
  return freeze(facts, 0) as Readonly<Record<string, unknown>>
}

function freeze(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null)
    return typeof value === 'function' || value === undefined ? null : value
  if (depth > 32) return null
  if (Array.isArray(value)) return Object.freeze(value.map((item) => freeze(item, depth + 1)))
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, item] of Object.entries(value)) copy[key] = freeze(item, depth + 1)
  return Object.freeze(copy)
}
