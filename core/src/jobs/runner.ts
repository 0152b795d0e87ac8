import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger as Log } from '@throughline/plugin-sdk'
import { Logger, run, type Runner, type TaskList, type WorkerEvents } from 'graphile-worker'
import type pg from 'pg'
import { codeOf } from './periodic.js'

export interface RunnerDeps {
  readonly pool: pg.Pool
  readonly tasks: TaskList
  readonly log: Log
  readonly concurrency: number
  readonly pollMs: number
  /** A pool was made or is gone. */
  readonly onPool: (poolId: string | null) => void
  /** A pool ended badly; whatever it had locked is free again after this. */
  readonly unlock: (poolId: string) => Promise<void>
}

export interface SupervisedRunner {
  /** Resolves when the first pool runs or the attempt failed; restarts go on by themselves. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** How long a failed pool may take to wind up before it is left behind. */
const windUpMs = 2_000
const stopMs = 15_000

/**
 * graphile-worker under supervision. A database blip while a job is being completed ends the whole pool (and without
 * batched completion, the process): so completion is batched, and a pool that reports a fatal error or stops unasked is
 * replaced with backoff, its locked jobs handed back. A failed pool may never settle; it is not waited for.
 */
export function createRunner(deps: RunnerDeps): SupervisedRunner {
  const stopping = new AbortController()
  let current: Runner | undefined
  let loop: Promise<void> = Promise.resolve()

  const runOnce = async (started: () => void): Promise<void> => {
    const events: WorkerEvents = new EventEmitter()
    let poolId: string | undefined
    const failed = new Promise<'failed'>((resolve) => {
      events.on('pool:fatalError', () => resolve('failed'))
      events.on('pool:gracefulShutdown', () => resolve('failed'))
    })
    events.on('pool:create', ({ workerPool }) => {
      poolId = workerPool.id
      deps.onPool(poolId)
    })
    try {
      const runner = await run({
        pgPool: deps.pool,
        taskList: deps.tasks,
        parsedCronItems: [],
        noHandleSignals: true,
        concurrency: deps.concurrency,
        pollInterval: deps.pollMs,
        events,
        logger: quietLogger(deps.log),
        preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      })
      current = runner
      started()
      // A stop that came while the pool was being made found no runner to end: without this the pool would stay, and
      // look for its database for ever.
      if (stopping.signal.aborted) return await runner.stop().catch(() => undefined)
      const ended = runner.promise.catch(() => undefined)
      await Promise.race([ended, failed])
      if (stopping.signal.aborted) return
      await Promise.race([ended, delay(windUpMs, undefined, { ref: false })])
      // Also one that does not settle must let go of its timers and its listener.
      void runner.stop().catch(() => undefined)
      throw new Error('the pool stopped unasked')
    } finally {
      current = undefined
      if (poolId !== undefined && !stopping.signal.aborted) {
        deps.onPool(null)
        await deps.unlock(poolId).catch(() => undefined)
      }
    }
  }

  const supervise = async (started: () => void): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      const began = performance.now()
      try {
        await runOnce(started)
      } catch (error) {
        started()
        if (stopping.signal.aborted) return
        if (performance.now() - began > 60_000) failures = 0
        const pause = Math.min(10_000, 100 * 2 ** failures) * (0.5 + Math.random() / 2)
        deps.log.warn(
          { code: codeOf(error), retryMs: Math.round(pause) },
          'the job runner stopped; it is started again',
        )
        await delay(pause, undefined, { signal: stopping.signal }).catch(() => undefined)
      }
    }
  }

  return Object.freeze({
    start: () => new Promise<void>((started) => void (loop = supervise(started))),
    async stop() {
      stopping.abort()
      const runner = current
      // Jobs have been told to end by their own signal; a pool that does not wind up is left to the reaper.
      if (runner) await Promise.race([runner.stop().catch(() => undefined), delay(stopMs, undefined, { ref: false })])
      await Promise.race([loop, delay(windUpMs, undefined, { ref: false })])
    },
  } satisfies SupervisedRunner)
}

/** graphile's own lines carry error texts, which can quote rows; tasks are logged by us, with codes only. */
function quietLogger(log: Log): Logger {
  return new Logger(() => (level, message) => {
    if (level !== 'error' && level !== 'warning') return
    log.debug({ what: message.split(/[:'"\n(]/, 1)[0]?.trim() ?? '' }, 'graphile-worker reports a problem')
  })
}
