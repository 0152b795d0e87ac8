import {
  PluginError,
  isPluginError,
  type CheckResult,
  type Context,
  type Health,
  type Kind,
  type Lifecycle,
  type Logger,
  type PluginDef,
} from '@throughline/plugin-sdk'
import { ThroughlineError } from '../errors.js'
import type { Leases } from '../jobs/contract.js'
import { backoffMs } from './backoff.js'
import type { CallMark } from './call-mark.js'
import { runConnector } from './connector.js'
import { createContext, type ContextDeps } from './context.js'
import type { Instance, InstanceState, InstanceStatus } from './contract.js'
import { createGuard, strangersDecide, type Guard } from './guard.js'
import { createStateKeeper, type StateKeeper } from './instance-state.js'
import { actionOf, codeIsKnown, signatureOf, troubleOf, type Trouble } from './instance-status.js'
import type { SupervisorLimits } from './limits.js'
import type { LoadedPlugin } from './loader.js'
import { prepare, type PrepareDeps } from './prepare.js'
import { clean, redactingLog } from './redacting-log.js'
import { watchHealth } from './watch-health.js'

/** Alive for so long, a failure counts as a first one again. */
const steadyMs = 60_000

export interface SupervisorDeps extends PrepareDeps {
  /** Path of the instance under the engine's public root. */
  readonly mount: string
  readonly context: ContextDeps
  readonly leases: Leases
  /** Does this node run connect() loops? */
  readonly connects: boolean
  readonly random: () => number
  readonly limits: SupervisorLimits
  readonly mark?: CallMark | undefined
  readonly onChange: (status: InstanceStatus, previous: InstanceState) => void
}

type Live<I> = I & Lifecycle & { connect?(signal: AbortSignal, ready: () => void): Promise<void> }

/** One life of the plugin's object: from setup to stop. */
interface Life<I> {
  readonly live: Live<I>
  readonly context: Context
  readonly abort: AbortController
  readonly guard: Guard
  readonly connector: Promise<void>
  readonly health: NodeJS.Timeout | undefined
  /** Monotonic. */
  readonly began: number
}

/** Runs one instance: loads it once, brings it up, watches it, brings it up again, takes it down. Never throws for it. */
export class Supervisor<I extends object> implements Instance<I> {
  readonly id: string
  readonly use: string
  readonly #deps: SupervisorDeps
  readonly #state: StateKeeper
  #loaded: LoadedPlugin | null = null
  #config: Readonly<Record<string, unknown>> = {}
  #secrets: ReadonlySet<string>
  #log: Logger
  #life: Life<I> | null = null
  /** What keeps a living instance from being simply `running`, by source. */
  readonly #hold = new Map<string, Trouble>()
  #failures = 0
  #rejections = 0
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #confined = false
  /** Ends a start that is under way. */
  #coming: AbortController | null = null
  /** Transitions run one after the other. */
  #turn: Promise<void> = Promise.resolve()

  constructor(deps: SupervisorDeps) {
    this.#deps = deps
    this.id = deps.instance.id
    this.use = deps.instance.use
    this.#secrets = deps.secrets
    this.#log = redactingLog(deps.log, this.id, this.#secrets)
    this.#state = createStateKeeper({
      clock: deps.context.clock,
      log: () => this.#log,
      onChange: (previous) => deps.onChange(this.status(), previous),
    })
  }

  get live(): I | null {
    return this.#life?.live ?? null
  }

  get def(): PluginDef | null {
    return this.#loaded?.def ?? null
  }

  get context(): Context | null {
    return this.#life?.context ?? null
  }

  /** The file the plugin was loaded from: who is to blame for a stack trace. */
  get file(): string | null {
    return this.#loaded?.file ?? null
  }

  status(): InstanceStatus {
    const { state, since, trouble, retryAt } = this.#state
    return Object.freeze({
      id: this.id,
      kind: this.#deps.kind ?? this.def?.kind ?? 'unknown',
      use: this.use,
      plugin: this.def?.name ?? null,
      version: this.def?.version ?? null,
      state,
      since,
      code: trouble?.code ?? null,
      message: trouble?.message ?? null,
      userAction: trouble?.userAction ?? null,
      retryAt,
      required: this.#deps.instance.required,
      signature: signatureOf(this.live),
      calls: this.#life?.guard.inHand ?? 0,
    })
  }

  call<T>(operation: string, timeoutMs: number, run: (live: I, signal: AbortSignal) => Promise<T> | T): Promise<T> {
    const life = this.#life
    // Rejected credentials stop what goes out; customers' messages still come in.
    if (life !== null && (!this.#rejected() || strangersDecide(operation))) {
      const withSignal = (signal: AbortSignal): Promise<T> | T => run(life.live, signal)
      // Whether the call takes a signal is told by its parameters; see the guard.
      const call = run.length < 2 ? () => (run as (live: I) => Promise<T> | T)(life.live) : withSignal
      return life.guard.call(operation, timeoutMs, call)
    }
    const { state, trouble } = this.#state
    const why = trouble === null ? '' : `: ${trouble.message}`
    const message = `${this.id} is ${state}${why}. See /v1/admin/plugins.`
    return Promise.reject(
      new ThroughlineError('TL_CHANNEL_UNAVAILABLE', message, { details: { instance: this.id, state } }),
    )
  }

  heldFor(operation: string): number {
    return this.#life?.guard.heldFor(operation) ?? 0
  }

  inside<T>(operation: string, run: () => T): T {
    return this.#life === null ? run() : this.#life.guard.inside(operation, run)
  }

  async start(): Promise<void> {
    await this.#next(() => this.#begin())
  }

  async #begin(): Promise<void> {
    if (this.#confined || this.#stopping) return
    this.#state.become('loading', null, null)
    const prepared = await prepare({ ...this.#deps, log: this.#log })
    this.#loaded = prepared.loaded
    if (!prepared.ok) return this.#state.become(prepared.trouble.state, prepared.trouble, null)
    this.#config = prepared.config
    this.#secrets = prepared.secrets
    this.#log = redactingLog(this.#deps.log, this.id, this.#secrets)
    await this.#bringUp()
  }

  /** Quarantine: nothing of it runs until null comes. */
  confine(trouble: Trouble | null): void {
    if (this.#confined === (trouble !== null)) return
    this.#confined = trouble !== null
    clearTimeout(this.#timer)
    void this.#next(async () => {
      await this.#takeDown()
      if (trouble === null) return this.#begin()
      this.#state.become('quarantined', trouble, null)
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#coming?.abort(new Error(`${this.id} is stopped`))
    await this.#next(async () => {
      if (this.#life) this.#state.become('draining', null, null)
      await this.#takeDown()
      this.#state.become('stopped', null, null)
    })
  }

  /** `send` and the like failed with `auth` or `config`: nothing goes out until a check passes. */
  report(code: 'auth' | 'config', message: string): void {
    if (this.#life === null || this.#stopping) return
    const waits = this.#hold.has('report')
    this.#hold.set('report', troubleOf(new PluginError(code, message), this.#secrets))
    if (code === 'auth' && !waits) this.#checkLater()
    this.#settle()
  }

  /** Something outside `call` went wrong, under a name; `cleared` takes it back. */
  degraded(source: string, error: unknown): void {
    if (this.#hold.has(source)) return
    this.#hold.set(source, { ...troubleOf(error, this.#secrets), state: 'degraded' })
    this.#settle()
  }

  cleared(source: string): void {
    if (this.#hold.delete(source)) this.#settle()
  }

  /** Something of this instance's escaped: take it down and bring it up again after a pause. */
  crashed(error: unknown): void {
    if (this.#stopping) return
    void this.#next(async () => {
      if (this.#life === null) return
      if (performance.now() - this.#life.began > steadyMs) this.#failures = 0
      await this.#takeDown()
      this.#failed(error)
    })
  }

  #next(step: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(step).catch((error: unknown) => {
      this.#log.error({ error: clean(error, this.#secrets) }, 'supervising the plugin instance failed')
    })
    return this.#turn
  }

  async #bringUp(): Promise<void> {
    const def = this.def
    if (def === null || this.#stopping || this.#confined) return
    const { limits, instance } = this.#deps
    const rejected = this.#state.trouble?.state === 'bad_credentials'
    this.#state.become('starting', null, null)
    this.#hold.clear()
    const abort = (this.#coming = new AbortController())
    const guard = this.#guard(abort.signal)
    const context = this.#context(def.kind, abort.signal)
    let live: Live<I> | null = null
    try {
      if (instance.checkOnStart || rejected) await this.#check(def, guard, context)
      const made: unknown = await guard.call('setup', limits.setup, () => def.setup(context))
      if (typeof made !== 'object' || made === null) throw new TypeError('setup() returned no object')
      live = made as Live<I>
      const start = live.start?.bind(live)
      if (start) await guard.call('start', limits.start, start)
    } catch (error) {
      abort.abort(new Error(`${this.id} did not start`))
      await this.#stopObject(live)
      return this.#failed(error)
    } finally {
      this.#coming = null
    }
    const connector = this.#connect(live, abort.signal)
    this.#life = { live, context, abort, guard, connector, health: this.#watch(live, guard), began: performance.now() }
    this.#settle()
  }

  #guard(signal: AbortSignal): Guard {
    return createGuard({
      instance: this.id,
      signal,
      ...(this.#deps.mark ? { mark: this.#deps.mark } : {}),
      now: () => performance.now(),
      onBusy: (operation, error) =>
        error === null ? this.cleared(`busy ${operation}`) : this.degraded(`busy ${operation}`, error),
      onBreaker: (operation, open, code) => {
        if (!open) return this.cleared(`breaker ${operation}`)
        const message = `${operation} failed 5 times within a minute; it is held back and tried again`
        const userAction = actionOf(codeIsKnown(code) ? code : 'bug')
        this.#hold.set(`breaker ${operation}`, { state: 'degraded', code, message, userAction })
        this.#settle()
      },
    })
  }

  #context(kind: Kind, signal: AbortSignal): Context {
    return createContext(this.#deps.context, {
      kind,
      id: this.id,
      config: this.#config,
      secrets: this.#secrets,
      mount: this.#deps.mount,
      signal,
      onHealth: (health) => this.#health(health),
    })
  }

  async #check(def: PluginDef, guard: Guard, context: Context): Promise<void> {
    if (def.check === undefined) return
    const result = await guard.call<CheckResult | undefined>('check', this.#deps.limits.check, () =>
      def.check?.(context),
    )
    if (result?.ok === false) throw new PluginError('auth', result.detail ?? 'the check of the credentials failed')
  }

  #connect(live: Live<I>, signal: AbortSignal): Promise<void> {
    const { leases, limits, context, random, connects } = this.#deps
    const connect = live.connect?.bind(live)
    if (connect === undefined || !connects) return Promise.resolve()
    return runConnector({
      instance: this.id,
      connect,
      leases,
      signal,
      random,
      now: () => context.clock.now(),
      onReady: () => {
        this.#state.retryAt = null
        this.cleared('connect')
      },
      onTrouble: (error, retryAt) => {
        const trouble = troubleOf(error, this.#secrets)
        this.#state.retryAt = retryAt
        this.#hold.set('connect', trouble.state === 'failed' ? { ...trouble, state: 'degraded' } : trouble)
        this.#settle()
      },
      ...(limits.connector ? { limits: limits.connector } : {}),
    })
  }

  #watch(live: Live<I>, guard: Guard): NodeJS.Timeout | undefined {
    const said = (error: unknown): string => troubleOf(error, this.#secrets).message
    return watchHealth({ live, guard, everyMs: this.#deps.limits.healthEvery, said, found: (it) => this.#health(it) })
  }

  #health(health: Health): void {
    if (health.status === 'ok') return this.cleared('health')
    const message = String(clean(health.detail ?? `the plugin reports ${health.status}`, this.#secrets)).slice(0, 500)
    const userAction = health.userAction ?? actionOf('retryable')
    this.#hold.set('health', { state: 'degraded', code: health.code ?? health.status, message, userAction })
    this.#settle()
  }

  #rejected(): boolean {
    return [...this.#hold.values()].some((trouble) => trouble.state !== 'degraded')
  }

  /** State of a living instance from what holds it back; credentials and settings weigh more than the rest. */
  #settle(): void {
    if (this.#life === null || this.#stopping) return
    const troubles = [...this.#hold.values()]
    const worst = troubles.find((trouble) => trouble.state !== 'degraded') ?? troubles[0] ?? null
    this.#state.become(worst?.state ?? 'running', worst, worst === null ? null : this.#state.retryAt)
  }

  /** Ends what `report` began: when check() passes, or after a pause where the plugin has none. */
  #checkLater(): void {
    const wait = backoffMs(this.#rejections++ + 3, this.#deps.random)
    this.#state.retryAt = this.#deps.context.clock.now() + wait
    this.#timer = setTimeout(() => void this.#next(() => this.#checkAgain()), wait)
  }

  async #checkAgain(): Promise<void> {
    const { def } = this
    const life = this.#life
    if (life === null || def === null || this.#stopping) return
    this.#state.retryAt = null
    try {
      await this.#check(def, life.guard, life.context)
      if (def.check) this.#rejections = 0
      this.cleared('report')
    } catch (error) {
      const trouble = troubleOf(error, this.#secrets)
      if (trouble.state === 'bad_credentials') this.#hold.set('report', trouble)
      this.#checkLater()
      this.#settle()
    }
  }

  #failed(error: unknown): void {
    if (this.#stopping) return
    const trouble = troubleOf(error, this.#secrets)
    if (trouble.state === 'invalid_config') return this.#state.become('invalid_config', trouble, null)
    if (!isPluginError(error)) this.#log.debug({ error: clean(error, this.#secrets) }, 'what the plugin threw')
    if (this.#deps.instance.onFailure === 'disable' && trouble.state === 'failed') {
      const userAction = `It stays off (onFailure: disable). ${trouble.userAction}`
      return this.#state.become('disabled', { ...trouble, userAction }, null)
    }
    const wait = backoffMs(this.#failures++, this.#deps.random)
    this.#state.become(trouble.state, trouble, this.#deps.context.clock.now() + wait)
    this.#timer = setTimeout(() => void this.#next(() => this.#bringUp()), wait)
  }

  async #takeDown(): Promise<void> {
    const life = this.#life
    if (life === null) return
    this.#life = null
    this.#hold.clear()
    clearTimeout(this.#timer)
    clearInterval(life.health)
    life.abort.abort(new Error(`${this.id} is stopped`))
    await life.connector
    await this.#stopObject(life.live)
  }

  async #stopObject(live: Live<I> | null): Promise<void> {
    const stop = live?.stop?.bind(live)
    if (stop === undefined) return
    const own = createGuard({
      instance: this.id,
      signal: new AbortController().signal,
      now: () => 0,
      onBreaker: () => undefined,
    })
    await own.call('stop', this.#deps.limits.stop, stop).catch((error: unknown) => {
      this.#log.warn({ ...troubleOf(error, this.#secrets) }, 'the plugin instance did not stop cleanly')
    })
  }
}
