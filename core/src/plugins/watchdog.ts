import { randomUUID } from 'node:crypto'
import { url as inspectorUrl } from 'node:inspector'
import { hostname } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Logger } from '@throughline/plugin-sdk'
import { BEATS, createCallMark, noMark, type CallMark } from './call-mark.js'

export interface WatchdogDeps {
  readonly databaseUrl: string
  readonly log: Logger
  /** Milliseconds the event loop may stand still in one plugin's code; 10,000 when left out. */
  readonly blockedMs?: number
}

export interface Watchdog {
  readonly mark: CallMark
  /** Files plugins were loaded from, by instance: who is to blame for code that runs outside of any call. */
  knows(instance: string, file: string): void
  stop(): Promise<void>
}

/** What the thread is started with. */
export interface WatchdogData {
  readonly cells: SharedArrayBuffer
  readonly databaseUrl: string
  readonly host: string
  readonly blockedMs: number
  readonly strike: string
}

export type WatchdogNews =
  | { readonly place: number; readonly instance: string; readonly operation: string }
  | { readonly file: string; readonly instance: string }

const BEAT_MS = 250

/**
 * A thread that sees the event loop stand still. In a plugin's code for longer than the limit: it records a strike against
 * the instance and ends the process, since nothing else can (TL_PLUGIN_BLOCKED); whoever starts it again finds the instance
 * in quarantine. Without a plugin to blame it only says so. Under a debugger nobody watches.
 */
export function startWatchdog({ databaseUrl, log, blockedMs = 10_000 }: WatchdogDeps): Watchdog {
  if (inspectorUrl() !== undefined) return { mark: noMark, knows: () => undefined, stop: () => Promise.resolve() }
  const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)
  const cells = new Int32Array(shared)
  const data: WatchdogData = { cells: shared, databaseUrl, host: hostname(), blockedMs, strike: randomUUID() }
  const thread = new Worker(new URL('./watchdog-thread.js', import.meta.url), {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  })
  thread.on('error', (error) => log.warn({ name: error.name }, 'the watchdog ended; plugins that hang are not noticed'))
  thread.unref()
  const beat = setInterval(() => {
    cells[BEATS] = ((cells[BEATS] ?? 0) + 1) | 0
  }, BEAT_MS)
  beat.unref()
  const tell = (news: WatchdogNews): void => thread.postMessage(news)
  return {
    mark: createCallMark(cells, (place, instance, operation) => tell({ place, instance, operation })),
    knows: (instance, file) => tell({ file, instance }),
    async stop() {
      clearInterval(beat)
      await thread.terminate()
    },
  }
}
