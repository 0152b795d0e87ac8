import { hkdfSync } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { isPluginError, type Analytics, type Logger } from '@throughline/plugin-sdk'
import type { EventReader } from '../events/contract.js'
import type { Leases } from '../jobs/contract.js'
import { pauseUntil, underSignals } from '../clock.js'
import type { Instance } from '../plugins/contract.js'
import type { CursorStore } from './cursor-store.js'
import { redactEvent } from './redact.js'

export interface AnalyticsDeps {
  readonly instances: () => readonly Instance<Analytics>[]
  readonly reader: EventReader
  readonly cursors: CursorStore
  readonly leases: Leases
  readonly rootKey: Uint8Array
  readonly log: Logger
  readonly random?: () => number
  readonly limits?: AnalyticsLimits
}

export interface AnalyticsLimits {
  readonly handleMs: number
  /** How often a node that stands by, or waits for its instance, looks again. */
  readonly standbyMs: number
  readonly backoffMs: number
}

export interface AnalyticsRunner {
  /** After the plugin host has started. */
  start(): void
  stop(): Promise<void>
  /** Text expositions of this node's instances, for /metrics. One that fails or takes longer than 5 s is left out. */
  expositions(): Promise<readonly { readonly instance: string; readonly contentType: string; readonly body: string }[]>
}

const defaults: AnalyticsLimits = { handleMs: 60_000, standbyMs: 5_000, backoffMs: 1_000 }
const maxBackoffMs = 300_000
const expositionMs = 5_000

/**
 * Feeds the event log to the analytics plugins: in order, at least once, redacted to what each may see. The cursor moves
 * after `handle` resolved, by compare-and-set, so a node that lost its lease moves nothing. A batch that fails is tried
 * again with backoff and never skipped. Scope `node` keeps its cursor in memory and begins at the head: see the SDK.
 */
export function createAnalytics(deps: AnalyticsDeps): AnalyticsRunner {
  const stopping = new AbortController()
  const loops: Promise<void>[] = []
  return Object.freeze({
    start() {
      for (const instance of deps.instances()) loops.push(serve(deps, instance, stopping.signal))
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
    async expositions() {
      const found = deps.instances().map(async (instance) => {
        if (typeof instance.live?.exposition !== 'function') return null
        const text = await instance.call('exposition', expositionMs, (live) => live.exposition?.())
        return text === undefined ? null : { instance: instance.id, contentType: text.contentType, body: text.body }
      })
      const settled = await Promise.allSettled(found)
      return settled.flatMap((it) => (it.status === 'fulfilled' && it.value !== null ? [it.value] : []))
    },
  } satisfies AnalyticsRunner)
}

async function serve(deps: AnalyticsDeps, instance: Instance<Analytics>, signal: AbortSignal): Promise<void> {
  const limits = deps.limits ?? defaults
  const pause = (ms: number): Promise<unknown> => delay(ms, undefined, { signal }).catch(() => undefined)
  const memory = inMemory(deps.reader.head())
  let failures = 0
  while (!signal.aborted) {
    try {
      const live = instance.live
      if (live !== null && live.scope === 'node') {
        await follow(deps, instance, memory, signal, () => (failures = 0))
      } else if (live !== null) {
        const run = (held: AbortSignal): Promise<void> =>
          follow(deps, instance, deps.cursors, held, () => (failures = 0))
        await deps.leases.whileHeld(`analytics:${instance.id}`, { signal }, run)
      }
      await pause(limits.standbyMs)
    } catch (error) {
      if (signal.aborted) return
      const ceiling = Math.min(maxBackoffMs, limits.backoffMs * 2 ** Math.min(failures++, 20))
      const wait = Math.round(ceiling * (deps.random ?? Math.random)())
      const code = isPluginError(error) ? error.code : ((error as { code?: string }).code ?? 'bug')
      deps.log.warn(
        { instance: instance.id, code, retryMs: wait },
        'an analytics plugin did not take its events; they are kept for it',
      )
      await pause(wait)
    }
  }
}

/** Reads from the cursor on until the signal aborts or the instance goes away. */
async function follow(
  deps: AnalyticsDeps,
  instance: Instance<Analytics>,
  cursors: CursorStore,
  signal: AbortSignal,
  progress: () => void,
): Promise<void> {
  const salt = new Uint8Array(hkdfSync('sha256', deps.rootKey, 'throughline', `analytics:${instance.id}`, 32))
  const news = watchNews(deps.reader)
  try {
    let cursor = await cursors.read(instance.id)
    while (!signal.aborted) {
      const live = instance.live
      if (live === null) return
      const max = Math.max(1, live.batch?.max ?? 500)
      news.reset()
      const events = await deps.reader.read(cursor, max)
      if (events === null) {
        const head = deps.reader.head()
        deps.log.error(
          { instance: instance.id, from: cursor, to: head },
          'events were deleted before this analytics plugin read them',
        )
        if (!(await cursors.move(instance.id, cursor, head))) return
        cursor = head
        continue
      }
      const last = events.at(-1)
      if (last === undefined) {
        await news.wait(signal)
        // Let a batch fill up: one call for many events.
        if (!signal.aborted) await delay(live.batch?.waitMs ?? 250, undefined, { signal }).catch(() => undefined)
        continue
      }
      const { events: wanted, pii } = live
      const batch = events
        .filter((event) => wanted === '*' || wanted.includes(event.type))
        .map(({ agent: _agent, watch: _watch, cause: _cause, ...event }) => redactEvent(event, pii, salt))
      if (batch.length > 0) {
        await instance.call('handle', (deps.limits ?? defaults).handleMs, (it, inner) =>
          underSignals([inner, signal], (either) => it.handle(batch, either)),
        )
      }
      if (signal.aborted || !(await cursors.move(instance.id, cursor, last.position))) return
      cursor = last.position
      progress()
    }
  } finally {
    news.stop()
  }
}

/** Whether anything was logged since `reset`; a look every few seconds covers what no wake-up reached. */
function watchNews(reader: EventReader): { reset(): void; wait(signal: AbortSignal): Promise<void>; stop(): void } {
  let news = false
  let wake: (() => void) | undefined
  const stop = reader.subscribe(() => {
    news = true
    wake?.()
  })
  return {
    reset: () => (news = false),
    async wait(signal) {
      if (news || signal.aborted) return
      const woken = new AbortController()
      wake = () => woken.abort()
      await pauseUntil(5_000, woken, signal)
      wake = undefined
    },
    stop,
  }
}

function inMemory(start: number): CursorStore {
  let position = start
  return {
    read: () => Promise.resolve(position),
    move: (_instance, _from, to) => {
      position = to
      return Promise.resolve(true)
    },
  }
}
