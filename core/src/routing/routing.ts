import type { Routing } from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import type { Calendars } from '../calendars/contract.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config/contract.js'
import type { EventReader, EventWriter } from '../events/contract.js'
import type { Ids } from '../ids.js'
import type { Jobs } from '../jobs/contract.js'
import type { OutboundService } from '../outbound/contract.js'
import type { FactSource, Instance } from '../plugins/contract.js'
import type { Tables } from '../store/tables.js'
import { syncCapacities } from './agent-store.js'
import { Beats } from './beats.js'
import { Board } from './board.js'
import { answerClosed } from './closed-answer.js'
import type {
  PresenceService,
  QueueBoard,
  ReplanService,
  Router,
  WorkLedger,
  WorkRanks,
  WorkService,
  SupervisionService,
  WorkforceService,
} from './contract.js'
import { syncQueues } from './dispatch-store.js'
import { Dispatcher } from './dispatcher.js'
import { createFailureReport, type FailureReport } from './failures.js'
import { createQueueHours } from './hours.js'
import { OPEN_TASK, openQueues } from './opening.js'
import { changePresence, createPresence, LEASE_S } from './presence.js'
import { openSession, renewSessions } from './presence-store.js'
import { createReplan } from './replan.js'
import { adherenceOf } from './adherence.js'
import { createReweigh } from './reweigh.js'
import { createShifts } from './shifts.js'
import { createSupervision } from './supervision.js'
import { workRanks } from './ranks.js'
import { createRouter } from './router.js'
import { createRuleFacts } from './rule-facts.js'
import type { RuleService } from './rules/rules.js'
import { awayAfterMisses, sweepPresence, sweepWork, type SweepDeps } from './sweep.js'
import { createWork, registerExpiry } from './work.js'

export interface RoutingDeps {
  readonly db: Kysely<Tables>
  readonly config: Config
  readonly events: EventWriter
  readonly jobs: Jobs
  readonly clock: Clock
  readonly ids: Ids
  /** Id of this node's row in `node`. */
  readonly node: string
  readonly publish: EventReader['publish']
  /** Routing plugins in the order of YAML. */
  readonly instances: () => readonly Instance<Routing>[]
  readonly log: { warn(fields: Readonly<Record<string, unknown>>, message: string): void }
  readonly random?: () => number
  /** Absent: every queue is always open. */
  readonly calendars?: Calendars
  /** Says that a queue is closed. A function: the parts of the engine are made one after the other. */
  readonly outbound?: () => Pick<OutboundService, 'queue' | 'wake'>
  /** Their failures are recorded as events; waiting items can be planned anew by them. */
  readonly rules?: Pick<RuleService, 'onFailure' | 'evaluate' | 'version' | 'uses'>
  /** Plugins that publish facts for rules. */
  readonly factSources?: () => readonly FactSource[]
}

export interface RoutingPart {
  readonly router: Router
  readonly work: WorkService & WorkLedger
  readonly ranks: WorkRanks
  readonly presence: PresenceService
  readonly board: QueueBoard
  readonly workforce: WorkforceService
  readonly supervision: SupervisionService
  readonly replan: ReplanService
  readonly failures: FailureReport
  /** After the migrations, and after the agents were synced: queues and capacities follow the configuration. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Resolves when this node's dispatcher has nothing left to do. */
  settled(): Promise<void>
  /** Events of the log, as they come: customers who write again. Returns at once. */
  heard(batch: readonly { readonly type: string }[]): void
  /** What the periodic tasks do, for tests that do not want to wait. */
  sweep(): Promise<void>
}

const SWEEP_S = 5

/** Queues, offers and presence of one node. Tasks are registered here, so it is made before the jobs start. */
export function createRouting(deps: RoutingDeps): RoutingPart {
  const { db, config, events, jobs, clock, ids, log } = deps
  const board = new Board({ db, config, clock, log })
  const hours = createQueueHours(config, deps.calendars ?? null)
  const shifts = createShifts(config, deps.calendars ?? null, (queue, kind) => board.handleTime(queue, kind))
  const dispatcher = new Dispatcher({ db, events, config, ids, jobs, log, shifts })
  const wake = (queues?: readonly string[]): void => dispatcher.wake(queues)
  // What follows an act in a transaction of its own, in turn, so that stopping can wait for it.
  let background: Promise<void> = Promise.resolve()
  let stopped = false
  const after = (act: () => Promise<unknown>, failed: string): void => {
    background = background
      .then(async () => void (await act()))
      .catch((error: unknown) => log.warn({ code: (error as { code?: string }).code }, failed))
  }
  const missed = (agents: readonly string[]): void => {
    if (agents.length === 0) return
    after(() => awayAfterMisses(all, agents), 'agents who let offers pass could not be set away; the sweep tries again')
  }
  const all: SweepDeps & { readonly log: RoutingDeps['log'] } = {
    db,
    events,
    config,
    ids,
    jobs,
    log,
    node: deps.node,
    publish: deps.publish,
    wake,
    lookThrough: (queues) => dispatcher.lookThrough(queues),
    missed,
    hours,
    shifts,
    board,
    hoursOf: (agent, queue) => deps.calendars?.get(`agent:${agent}`) ?? hours.calendarOf(queue),
    outbound: deps.outbound ?? null,
  }
  const beats = new Beats({
    clock,
    log,
    renew: (sessions) => renewSessions(db, sessions, LEASE_S),
    revive: (session) =>
      changePresence(all, session.agent, async (trx) => {
        await openSession(trx, { ...session, node: deps.node, leaseS: LEASE_S })
        return { rescind: null }
      }),
  })
  /** Told at once where a queue is closed; the sweep is behind it. */
  const woken = (queues?: readonly string[]): void => {
    wake(queues)
    const now = new Date(clock.now())
    if (queues?.some((queue) => !hours.state(queue, now).open) !== true) return
    after(() => answerClosed(all), 'customers of a closed queue could not be told; the sweep tries again')
  }
  const reweigh = createReweigh(all)
  const failures = createFailureReport({ db, events, clock, log })
  deps.rules?.onFailure(failures.rule)
  registerExpiry(jobs, all)
  jobs.task(OPEN_TASK, async () => {
    const opened = await openQueues(all)
    if (opened.length > 0) wake(opened)
  })
  jobs.every('routing.sweep', SWEEP_S, async (signal) => {
    await reweigh.sweep(signal)
    await sweepWork(all, signal)
  })
  jobs.every('presence.sweep', SWEEP_S, (signal) => sweepPresence(all, signal))

  return Object.freeze({
    ranks: workRanks,
    router: createRouter({
      instances: deps.instances,
      config,
      report: failures,
      random: deps.random ?? Math.random,
      facts: createRuleFacts({
        db,
        uses: () => deps.rules?.uses('routing') ?? null,
        board,
        sources: deps.factSources ?? (() => []),
        report: failures,
        clock,
        log,
      }),
    }),
    work: createWork({ ...all, board, woken }),
    presence: createPresence(all, beats),
    board,
    supervision: createSupervision(all),
    workforce: { adherence: (agent, from, to) => adherenceOf({ db, shifts }, agent, from, to) },
    replan: createReplan({ ...all, rules: deps.rules ?? { evaluate: () => null, version: () => null } }),
    failures,
    async start() {
      await syncQueues(db, config.queues)
      await syncCapacities(db, config)
      beats.start()
      board.start()
      wake()
    },
    heard(batch) {
      if (stopped || !reweigh.any || !batch.some((event) => event.type === 'message.inbound')) return
      after(() => reweigh.reactivate(), 'work of customers who wrote again still counts less; the sweep tries again')
    },
    async stop() {
      stopped = true
      await beats.stop()
      await board.stop()
      await background
      await dispatcher.stop()
    },
    async settled() {
      await background
      await dispatcher.settled()
    },
    async sweep() {
      const { signal } = new AbortController()
      await sweepPresence(all, signal)
      await reweigh.sweep(signal)
      await sweepWork(all, signal)
    },
  } satisfies RoutingPart)
}
