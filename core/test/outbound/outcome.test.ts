import { test } from 'tap'
import { PluginError, type PluginErrorCode } from '@throughline/plugin-sdk'
import { ThroughlineError } from '../../src/errors.js'
import { lapsedOutcome, outcomeOf, type Attempt } from '../../src/outbound/outcome.js'

const first: Attempt = { attempts: 1, bugs: 0, replanned: false, idempotent: false, live: true, random: 0.5 }
const after = (code: PluginErrorCode, attempt: Partial<Attempt> = {}, options = {}) =>
  outcomeOf(new PluginError(code, 'internal words', options), { ...first, ...attempt })

test('a retryable failure waits 1, 3, 10, 30 s, 2 and 10 min, and then the part is dead', (t) => {
  const waits = [1, 2, 3, 4, 5, 6].map((attempts) => after('retryable', { attempts }))
  t.same(
    waits.map((outcome) => (outcome.kind === 'retry' ? outcome.delayMs : null)),
    [1_000, 3_000, 10_000, 30_000, 120_000, 600_000],
  )
  t.match(after('retryable', { attempts: 7 }), { kind: 'end', state: 'dead', code: 'retryable' })
  t.match(after('retryable', { random: 0 }), { delayMs: 800 })
  t.match(after('retryable', {}, { retryAfterMs: 9_000 }), { delayMs: 9_000 })
  t.end()
})

test('a rate limit pauses the channel for the time asked, within a day', (t) => {
  t.match(outcomeOf(PluginError.rateLimited(4_000), first), { kind: 'pause', delayMs: 4_000, scope: 'channel' })
  const own = PluginError.rateLimited(4_000, { scope: 'thread' })
  t.match(outcomeOf(own, first), { kind: 'pause', delayMs: 4_000, scope: 'thread' })
  t.match(after('rate_limited'), { kind: 'pause', delayMs: 30_000 })
  for (const [asked, given] of [
    [Number.NaN, 30_000],
    [-5, 0],
    [1e15, 86_400_000],
    [Number.POSITIVE_INFINITY, 30_000],
  ] as const) {
    t.match(after('rate_limited', {}, { retryAfterMs: asked }), { kind: 'pause', delayMs: given })
  }
  t.end()
})

test('credentials and settings hold the channel', (t) => {
  t.match(after('auth'), { kind: 'hold', report: 'auth' })
  t.match(after('config'), { kind: 'hold', report: 'config' })
  t.end()
})

test("what cannot work fails at once, with a sentence for the agent that never is the error's own message", (t) => {
  for (const code of ['recipient', 'permanent', 'window_closed'] as const) {
    const outcome = after(code)
    t.match(outcome, { kind: 'end', state: 'failed', code })
    t.notMatch(JSON.stringify(outcome), /internal words/)
  }
  t.match(after('permanent', {}, { userMessage: 'Blocked by the customer' }), { reason: 'Blocked by the customer' })
  t.match(after('unsupported'), { kind: 'replan' })
  t.match(after('unsupported', { replanned: true }), { kind: 'end', state: 'failed' })
  t.end()
})

test('an uncertain send is tried again only where the network drops repeats', (t) => {
  const timeout = new ThroughlineError('TL_PLUGIN_TIMEOUT', 'too long')
  t.match(after('uncertain'), { kind: 'end', state: 'unknown' })
  t.match(after('uncertain', { idempotent: true }), { kind: 'retry', delayMs: 1_000 })
  t.match(outcomeOf(timeout, first), { kind: 'end', state: 'unknown' })
  t.match(outcomeOf(timeout, { ...first, idempotent: true }), { kind: 'retry' })
  t.match(outcomeOf(new Error('aborted'), { ...first, live: false }), { state: 'unknown' }, 'torn off by a stop')
  t.match(lapsedOutcome({ attempts: 1, idempotent: false }), { kind: 'end', state: 'unknown' })
  t.match(lapsedOutcome({ attempts: 1, idempotent: true }), { kind: 'retry' })
  t.match(lapsedOutcome({ attempts: 7, idempotent: true }), { kind: 'end', state: 'dead' })
  t.end()
})

test('anything else is a bug of the plugin: three tries, then dead', (t) => {
  const odd = { [Symbol.for('throughline.error')]: true, code: 'constructor' }
  for (const error of [new TypeError('x'), 'text', null, undefined, odd, after]) {
    t.match(outcomeOf(error, first), { kind: 'retry', bugs: 1, code: 'bug' })
    t.match(outcomeOf(error, { ...first, bugs: 2 }), { kind: 'end', state: 'dead', code: 'bug' })
  }
  t.end()
})

test('a call the guard did not let through uses up no attempt', (t) => {
  t.match(outcomeOf(new ThroughlineError('TL_CHANNEL_UNAVAILABLE', 'down'), first), { kind: 'retry', attempts: 0 })
  t.match(outcomeOf(new ThroughlineError('TL_PLUGIN_BUSY', 'hangs'), first), { kind: 'retry', attempts: 0 })
  t.end()
})
