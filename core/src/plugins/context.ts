import {
  PluginError,
  type Clock,
  type Context,
  type Files,
  type Health,
  type Inbox,
  type Kind,
  type Logger,
  type RuleFiles,
  type Threads,
} from '@throughline/plugin-sdk'
import type { Kysely } from 'kysely'
import { underSignals } from '../clock.js'
import type { Ingress } from '../inbound/contract.js'
import type { Periodic } from '../jobs/contract.js'
import type { Tables } from '../store/tables.js'
import { attributed, currentAttribution } from './attribution.js'
import type { ThreadReader } from './contract.js'
import type { Egress } from './egress.js'
import { createHttp } from './http-client.js'
import type { PluginMetrics } from './plugin-metrics.js'
import { redactingLog } from './redacting-log.js'
import { createSigner } from './signer.js'
import { createState } from './state-store.js'

/** What all instances share. */
export interface ContextDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly clock: Clock
  readonly egress: Egress
  readonly files: Files
  readonly metrics: PluginMetrics
  readonly rootKey: Uint8Array
  /** The engine's public root, no slash at the end. */
  readonly publicUrl: string
  readonly ingress: Ingress
  readonly threads: ThreadReader
  readonly periodic: Periodic
  /** Rule files, for routing plugins. */
  readonly rules?: RuleFiles
}

/** What belongs to one instance and one lifetime of it. */
export interface ContextOf {
  readonly kind: Kind
  readonly id: string
  readonly config: Readonly<Record<string, unknown>>
  readonly secrets: ReadonlySet<string>
  /** Path under the engine's public root. */
  readonly mount: string
  readonly signal: AbortSignal
  readonly onHealth: (health: Health) => void
}

/** The context of one lifetime; its periodic work ends with `signal`. */
export function createContext(deps: ContextDeps, of: ContextOf): Context {
  const log = redactingLog(deps.log, of.id, of.secrets)
  const metrics = deps.metrics.of(of.id)
  const context: Context<Kind, unknown> = {
    kind: of.kind,
    id: of.id,
    config: of.config,
    log,
    http: createHttp({ egress: deps.egress, clock: deps.clock, signal: of.signal }),
    state: createState(deps.db, of.id),
    files: deps.files,
    metrics,
    clock: deps.clock,
    signer: createSigner(deps.rootKey, `instance:${of.id}`),
    publicUrl: deps.publicUrl + of.mount,
    signal: of.signal,
    inbox: inboxOf(deps.ingress, of) as never,
    threads: threadsOf(deps.threads, of) as never,
    ...(of.kind === 'routing' && deps.rules !== undefined ? { rules: deps.rules } : {}),
    setHealth: of.onHealth,
    every(name, ms, task) {
      if (of.signal.aborted) return
      const stop = deps.periodic.every(`${of.id}/${name}`, ms, (signal) =>
        underSignals([signal, of.signal], (both) =>
          attributed({ instance: of.id, signal: both }, async () => task(both)).catch((error: unknown) => {
            if (both.aborted) return
            metrics.count('periodic_errors', 1, { task: name })
            log.warn({ task: name, ...describe(error) }, 'periodic work of the plugin failed')
          }),
        ),
      )
      of.signal.addEventListener('abort', () => void stop().catch(() => undefined), { once: true })
    },
  }
  return Object.freeze(context)
}

/** A plugin's error for the log: its own words only where it chose them; anything else may quote a customer. */
export function describe(error: unknown): Record<string, unknown> {
  if (
    error instanceof Error &&
    'code' in error &&
    (error.name === 'PluginError' || error.name === 'ThroughlineError')
  ) {
    return { code: error.code, reason: error.message }
  }
  if (!(error instanceof Error)) return { code: 'bug', reason: `threw a ${typeof error}` }
  const frame = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))
  return { code: 'bug', reason: error.name, at: frame?.trim() ?? '' }
}

function inboxOf(ingress: Ingress, of: ContextOf): Inbox | null {
  if (of.kind !== 'channel' && of.kind !== 'assistant') return null
  return Object.freeze({
    accept: async (events, raw) => {
      // Fence: a runner that lost its lease, or whose instance was stopped, writes nothing any more.
      if (of.signal.aborted || currentAttribution()?.signal.aborted === true) {
        throw new PluginError('retryable', `${of.id} does not run here any more; its events were not accepted`)
      }
      return ingress.accept({ channel: of.id, events, ...(raw === undefined ? {} : { raw }) })
    },
  } satisfies Inbox)
}

function threadsOf(reader: ThreadReader, of: ContextOf): Threads | null {
  if (of.kind !== 'channel') return null
  return Object.freeze({
    read: (thread, options = {}) => reader.read(of.id, thread, options),
    watch: (thread, changed) => {
      const stop = reader.watch(of.id, thread, changed)
      of.signal.addEventListener('abort', stop, { once: true })
      return () => {
        of.signal.removeEventListener('abort', stop)
        stop()
      }
    },
  } satisfies Threads)
}
