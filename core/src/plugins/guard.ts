import { setMaxListeners } from 'node:events'
import { isPluginError, type PluginErrorCode } from '@throughline/plugin-sdk'
import { linkSignals } from '../clock.js'
import { ThroughlineError } from '../errors.js'
import { attributed } from './attribution.js'
import { createBreaker, type Breaker } from './breaker.js'
import { noMark, type CallMark } from './call-mark.js'
import { createPlaces, type Places, type PlacesDeps } from './places.js'

export interface GuardDeps {
  readonly instance: string
  /** Aborted when the instance stops. */
  readonly signal: AbortSignal
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Tells the watchdog whose code runs; absent: nobody watches. */
  readonly mark?: CallMark
  /** An operation's breaker opened (true) or closed. */
  readonly onBreaker: (operation: string, open: boolean, code: string) => void
  /** An operation has no place left for calls (the error that callers get), or has some again (null). */
  readonly onBusy?: PlacesDeps['onBusy']
}

/** Calls of one operation in hand: what strangers ask for comes in crowds, what the engine asks for does not. */
const PLACES = 100
const PLACES_OF_STRANGERS = 1_000

/** Every call into a plugin: time limit, abort signal, attribution of what escapes, a breaker and a cap per operation. */
export interface Guard {
  call<T>(operation: string, timeoutMs: number, run: (signal: AbortSignal) => Promise<T> | T): Promise<T>
  /** A synchronous call: attribution and the watchdog's mark alone. */
  inside<T>(operation: string, run: () => T): T
  /** Milliseconds that the breaker of an operation holds calls back; 0: it does not. */
  heldFor(operation: string): number
  /** Calls the plugin has not answered yet, those nobody waits for any more included. */
  readonly inHand: number
}

/** What says something about the instance's health; the rest is about one message, one recipient, one payload. */
const unhealthy: ReadonlySet<PluginErrorCode> = new Set(['retryable', 'uncertain', 'bug'])

/**
 * The way in. Its failures can be provoked by strangers with one crafted request, so they are counted against nobody, or
 * anybody could shut a channel with five bad bodies.
 */
export function strangersDecide(operation: string): boolean {
  return /^(verify|challenge|parse|reply|capabilities|endpoint\b.*)$/.test(operation)
}

export function createGuard(deps: GuardDeps): Guard {
  // Each call in hand listens for the stop.
  setMaxListeners(0, deps.signal)
  const breakers = new Map<string, Breaker>()
  const breakerOf = (operation: string): Breaker | null => {
    if (strangersDecide(operation)) return null
    let breaker = breakers.get(operation)
    if (breaker === undefined) breakers.set(operation, (breaker = createBreaker(deps.now)))
    return breaker
  }
  const mark = deps.mark ?? noMark
  const places = new Map<string, number>()
  const placeOf = (operation: string): number => {
    let place = places.get(operation)
    if (place === undefined) places.set(operation, (place = mark.place(deps.instance, operation)))
    return place
  }
  /** The part of a call that the event loop cannot interrupt. */
  const marked = <T>(operation: string, run: () => T): T => {
    const before = mark.enter(placeOf(operation))
    try {
      return run()
    } finally {
      mark.leave(before)
    }
  }
  const seats = createPlaces({
    instance: deps.instance,
    limitOf: (operation) => (strangersDecide(operation) ? PLACES_OF_STRANGERS : PLACES),
    onBusy: deps.onBusy ?? (() => undefined),
  })
  const limits: Limits = { instance: deps.instance, signal: deps.signal, marked, seats }
  const note = (breaker: Breaker | null, operation: string, change: (breaker: Breaker) => void, code: string): void => {
    if (breaker === null) return
    const before = breaker.open
    change(breaker)
    if (breaker.open !== before) deps.onBreaker(operation, breaker.open, code)
  }

  return Object.freeze({
    get inHand() {
      return seats.inHand
    },
    heldFor: (operation) => breakers.get(operation)?.waitMs ?? 0,
    async call(operation, timeoutMs, run) {
      seats.admit(operation)
      const breaker = breakerOf(operation)
      const pass = breaker === null ? 'call' : breaker.admit()
      if (pass === null) {
        throw new ThroughlineError(
          'TL_CHANNEL_UNAVAILABLE',
          `${operation} of ${deps.instance} failed too often; it is tried again in a while. See /v1/admin/plugins.`,
          { details: { instance: deps.instance, operation } },
        )
      }
      try {
        const result = await limited(limits, operation, timeoutMs, run)
        note(breaker, operation, (it) => it.succeeded(), '')
        return result
      } catch (error) {
        const code = isPluginError(error) ? error.code : 'bug'
        // An instance that is being stopped fails nothing.
        if (!deps.signal.aborted) {
          if (unhealthy.has(code)) note(breaker, operation, (it) => it.failed(pass), code)
          else note(breaker, operation, (it) => it.succeeded(), '')
        }
        throw error
      }
    },
    inside: (operation, run) =>
      marked(operation, () => attributed({ instance: deps.instance, signal: deps.signal }, run)),
  } satisfies Guard)
}

interface Limits extends Pick<GuardDeps, 'instance' | 'signal'> {
  readonly marked: <T>(operation: string, run: () => T) => T
  readonly seats: Places
}

function limited<T>(
  deps: Limits,
  operation: string,
  timeoutMs: number,
  run: (signal: AbortSignal) => Promise<T> | T,
): Promise<T> | T {
  // A call that asks for no signal and answers in the same turn needs neither timer nor signal: the door's signature checks.
  if (run.length === 0) {
    const { instance, signal } = deps
    const answer = deps.marked(operation, () => attributed({ instance, signal }, run as () => Promise<T> | T))
    return isPromise(answer) ? waited(deps, operation, timeoutMs, () => answer) : answer
  }
  return waited(deps, operation, timeoutMs, run)
}

async function waited<T>(
  deps: Limits,
  operation: string,
  timeoutMs: number,
  run: (signal: AbortSignal) => Promise<T> | T,
): Promise<T> {
  const seat = deps.seats.enter(operation)
  const limit = new AbortController()
  const link = linkSignals(deps.signal, limit.signal)
  const { signal } = link
  let timer: NodeJS.Timeout | undefined
  let cancel: (() => void) | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new ThroughlineError(
        'TL_PLUGIN_TIMEOUT',
        `${operation} of ${deps.instance} took longer than ${timeoutMs} ms; what it waited for was abandoned`,
        { details: { instance: deps.instance, operation, timeoutMs } },
      )
      reject(error)
      seat.abandon()
      limit.abort(error)
    }, timeoutMs)
    // A plugin that ignores the signal must not hold up the stop: half a second of grace, then it is left behind.
    cancel = () => {
      clearTimeout(timer)
      timer = setTimeout(() => reject(new Error(`${deps.instance} stopped during ${operation}`)), 500)
    }
    deps.signal.addEventListener('abort', cancel, { once: true })
  })
  over.catch(() => undefined)
  try {
    const result = deps.marked(operation, () =>
      attributed({ instance: deps.instance, signal }, async () => run(signal)),
    )
    // Also when the race is lost: the place is free and the signal let go when the plugin has really ended.
    const ended = (): void => {
      seat.leave()
      link.release()
    }
    result.then(ended, ended)
    return await Promise.race([result, over])
  } finally {
    clearTimeout(timer)
    if (cancel) deps.signal.removeEventListener('abort', cancel)
  }
}

function isPromise<T>(value: Promise<T> | T): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
