import type { Context, Health, Http, InboundEvent, Kind, Logger, State, Files } from '../src/index.js'
import { testHttp } from './http.js'
import { createBacking, memoryFiles, memoryState, memoryThreads, testSigner } from './memory.js'
import type { Backing, TestThreads } from './memory.js'
import { testEpoch } from './request.js'

export type TestContextOptions<K extends Kind, C> = {
  readonly kind: K
  readonly id?: string
  /** As `setup` receives it: with defaults. `settingsOf(plugin, written)` makes it from what an operator writes. */
  readonly config: C
  readonly publicUrl?: string
  /** Starts here and moves only by `advance`. Default: testEpoch. */
  readonly now?: number
  /** Instead of real requests over the global fetch. */
  readonly http?: Http
  readonly backing?: Backing
}

export type LogLine = {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export type TestContext<K extends Kind, C> = {
  readonly context: Context<K, C>
  /** Events the core stored, in order, redeliveries left out. */
  readonly accepted: readonly InboundEvent[]
  readonly logs: readonly LogLine[]
  readonly counts: Readonly<Record<string, number>>
  /** Everything passed to `setHealth`, latest last. */
  readonly health: readonly Health[]
  readonly state: State
  readonly files: Files
  readonly threads: TestThreads
  /** Moves the clock and runs the `every` tasks that fell due. */
  advance(ms: number): Promise<void>
  /** What the engine does when the instance stops. */
  abort(): void
  /** Lets the next `times` calls of `inbox.accept` fail, as when the database is away. */
  refuseInbox(times: number): void
}

/** A context as the engine gives it, with everything in memory, a clock that stands still and HTTP over global fetch. */
export function createTestContext<K extends Kind, C>(options: TestContextOptions<K, C>): TestContext<K, C> {
  const id = options.id ?? 'test'
  const publicUrl = options.publicUrl ?? `https://support.example.test/channels/${id}`
  const backing = options.backing ?? createBacking()
  const controller = new AbortController()
  let now = options.now ?? testEpoch
  const clock = { now: () => now }
  const accepted: InboundEvent[] = []
  const seen = new Set<string>()
  const logs: LogLine[] = []
  const counts: Record<string, number> = {}
  const health: Health[] = []
  const tasks: { ms: number; due: number; run: (signal: AbortSignal) => Promise<void> }[] = []
  let refusals = 0

  const line = (level: LogLine['level']) => (fields: Readonly<Record<string, unknown>>, message: string) =>
    void logs.push({ level, fields, message })
  const log: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
  const state = memoryState(id, clock, backing.state)
  const files = memoryFiles(id, backing.files, publicUrl)
  const threads = memoryThreads(clock)
  const inbox = {
    async accept(events: readonly InboundEvent[]) {
      if (refusals > 0) {
        refusals -= 1
        throw new Error('the inbox is away')
      }
      const fresh = events.filter((event) => !seen.has(event.id) && seen.add(event.id))
      accepted.push(...fresh)
      return { stored: fresh.length, duplicate: events.length - fresh.length }
    },
  }

  const context: Context<K, C> = {
    kind: options.kind,
    id,
    config: options.config,
    log,
    http: options.http ?? testHttp(clock, controller.signal),
    state,
    files,
    metrics: { count: (name, value = 1) => void (counts[name] = (counts[name] ?? 0) + value) },
    clock,
    signer: testSigner(id),
    publicUrl,
    signal: controller.signal,
    inbox: inbox as never,
    threads: threads as never,
    setHealth: (value) => void health.push(value),
    every: (_name, ms, run) => void tasks.push({ ms, due: now + ms, run }),
  }

  return {
    context,
    accepted,
    logs,
    counts,
    health,
    state,
    files,
    threads,
    async advance(ms) {
      const end = now + ms
      for (;;) {
        const next = tasks.filter((task) => task.due <= end).sort((a, b) => a.due - b.due)[0]
        if (next === undefined || controller.signal.aborted) break
        now = next.due
        next.due += next.ms
        await next.run(controller.signal)
      }
      now = end
    },
    abort: () => controller.abort(new Error('the instance stops')),
    refuseInbox: (times) => void (refusals = times),
  }
}
