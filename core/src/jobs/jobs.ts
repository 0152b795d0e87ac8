import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@throughline/plugin-sdk'
import type { TaskList } from 'graphile-worker'
import { failPoint } from '../store/fail-point.js'
import type { Store } from '../store/store.js'
import { createPool } from '../store/pool.js'
import type { Jobs, Leases, Periodic } from './contract.js'
import { addJobs, unlockPools } from './job-store.js'
import { createLeaseStore } from './lease-store.js'
import { createLeases } from './leases.js'
import { createNodeRegistry } from './node-registry.js'
import { createNodeStore, type NodeIdentity } from './node-store.js'
import { codeOf, createPeriodic } from './periodic.js'
import { hasEnded } from './process-mark.js'
import { createRunner, type SupervisedRunner } from './runner.js'

export type { NodeIdentity } from './node-store.js'

export interface JobsDeps {
  readonly store: Pick<Store, 'db' | 'url'>
  readonly node: NodeIdentity
  readonly log: Logger
  readonly concurrency?: number
  readonly pollMs?: number
  /** Nodes of this machine that ended without a word, their leases and jobs already handed back: the rest they held. */
  readonly onDead?: (nodes: readonly string[]) => Promise<void>
  /** Nodes that were silent for 30 s, their jobs already handed back. They may go on one day. */
  readonly onSilent?: (nodes: readonly string[]) => Promise<void>
}

export interface JobSystem extends Jobs {
  readonly leases: Leases
  every(name: string, seconds: number, run: (signal: AbortSignal) => Promise<void>): () => Promise<void>
  /** The same with milliseconds and at any time, on every node that asks: for the plugin host. */
  readonly periodic: Periodic
}

/**
 * Tasks over graphile-worker. A job is a hint: it may run twice (after a crash, a lost connection) or never, so a task
 * looks at rows and their claim tokens, and a sweep finds what no job reached. No named queues, no local queue, no cron:
 * see docs/architecture.md. A node without the role `worker` adds jobs and beats, and runs none.
 */
export function createJobs(deps: JobsDeps): JobSystem {
  const { db, url } = deps.store
  const { log } = deps
  const concurrency = deps.concurrency ?? 4
  const works = deps.node.roles.includes('worker')
  const leaseStore = createLeaseStore(db)
  const leases = createLeases({ store: leaseStore, node: deps.node.id })
  const periodic = createPeriodic({ leases, log })
  const nodes = createNodeRegistry({
    store: createNodeStore(db),
    node: deps.node,
    log,
    ended: hasEnded,
    async onDead(dead) {
      await leaseStore.releaseAllOf(dead)
      await deps.onDead?.(dead)
    },
    onSilent: async (silent) => deps.onSilent?.(silent),
  })
  const stopping = new AbortController()
  const tasks: TaskList = {}
  const waiting: (() => void)[] = []
  let runner: SupervisedRunner | undefined
  let closePool: (() => Promise<void>) | undefined
  let started = false

  const task: Jobs['task'] = (name, run) => {
    if (started) throw new TypeError(`task ${name} must be registered before the start`)
    tasks[name] = async (payload, helpers) => {
      try {
        await failPoint?.('jobs.before-task')
        await run(payload, stopping.signal)
        await failPoint?.('jobs.task-done')
      } catch (error) {
        if (stopping.signal.aborted) {
          // Interrupted, not failed: a fresh job, so that no attempt is burnt. The key of this one is taken over by it.
          const key = helpers.job.key
          await addJobs(db, [{ task: name, payload, ...(key === null ? {} : { key }) }])
          return
        }
        log.warn({ task: name, attempt: helpers.job.attempts, code: codeOf(error) }, 'a job failed; it is tried again')
        throw error
      }
    }
  }

  return Object.freeze({
    leases,
    periodic: Object.freeze({ every: periodic.every }),
    task,
    every(name, seconds, run) {
      if (!works) return () => Promise.resolve()
      if (started) return periodic.every(name, seconds * 1000, run)
      let stop: (() => Promise<void>) | undefined
      waiting.push(() => (stop = periodic.every(name, seconds * 1000, run)))
      return async () => stop?.()
    },
    add: addJobs,
    addNow: (jobs) => addJobs(db, jobs),
    async start() {
      if (started) return
      started = true
      await nodes.start()
      if (!works || stopping.signal.aborted) return
      for (const begin of waiting) begin()
      // Connections of its own: one listens for ever, and a busy engine must not keep jobs from being completed.
      const pool = createPool({ url, log, size: concurrency + 2 })
      closePool = () => pool.end()
      const unlock = (poolId: string): Promise<void> => unlockPools(db, [poolId])
      const pollMs = deps.pollMs ?? 2_000
      runner = createRunner({ pool, tasks, log, concurrency, pollMs, onPool: nodes.setPool, unlock })
      await runner.start()
    },
    async stop() {
      if (stopping.signal.aborted) return
      stopping.abort()
      // Work that ignores its signal is left behind; its lease lapses by itself.
      await within(windUpMs, periodic.stop())
      await runner?.stop()
      await nodes.stop()
      // A connection that never comes back must not hold up the stop either.
      await within(windUpMs, closePool?.())
    },
  } satisfies JobSystem)
}

const windUpMs = 5_000

async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  await Promise.race([work, delay(ms, undefined, { ref: false })])
}
