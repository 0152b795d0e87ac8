import { isPluginError } from '../src/index.js'
import type { Capabilities, Channel, ConfigSchema, OutboundPart, Part, PluginErrorCode } from '../src/index.js'
import type { Harness } from './channel-conformance.js'
import { settles } from './checks.js'
import type { Runner } from './checks.js'
import { secretsOf } from './manifest-checks.js'
import { outboundPart, sampleParts } from './parts.js'
import { testEpoch } from './request.js'
import { settingsOf } from './settings.js'
import type { Behaviour } from './upstream.js'

const control = { signal: new AbortController().signal, attempt: 1 }
const anyCode: readonly PluginErrorCode[] = ['permanent', 'recipient', 'unsupported', 'window_closed']

export async function outboundChecks<S extends ConfigSchema>(runner: Runner, harness: Harness<S>): Promise<void> {
  const { plugin, options, upstream } = harness
  const thread = options.thread ?? 'thread-1'
  const capabilities =
    typeof plugin.capabilities === 'function' ? plugin.capabilities({ id: thread }) : plugin.capabilities
  const noUpstream = options.answer || options.upstream ? undefined : 'the channel sends to no network'
  const part = (content: Part, changes: Partial<OutboundPart> = {}) =>
    outboundPart(content, { thread: { id: thread }, ...changes })
  const text = (length: number) => part({ type: 'text', text: 'x'.repeat(length) })
  const failures: unknown[] = []
  const attempt = async (channel: Channel, sent: OutboundPart, signal = control.signal, limitMs = 20_000) => {
    const outcome = channel.send(sent, { signal, attempt: 1 }).catch((error: unknown) => error)
    const value = await settles(outcome, 'send', limitMs)
    if (value instanceof Error || isPluginError(value)) failures.push(value)
    return value
  }

  await runner.check(
    'O1',
    'everything that is declared is really sent, and declared methods are there',
    async (t) => {
      const { channel, host } = await harness.build()
      const file = await host.files.put(new TextEncoder().encode('%PDF-1.4 sample'), {
        mime: 'application/pdf',
        name: 'a.pdf',
      })
      upstream.behave('normal')
      for (const content of [...sampleParts(capabilities, file.key), ...(options.parts ?? [])]) {
        const before = upstream.calls.length
        const sent = (await attempt(channel, part(content))) as { externalId?: unknown; message?: string }
        t.ok(
          typeof sent.externalId === 'string' && sent.externalId !== '',
          `${content.type}: has the network's id ${sent.message ?? ''}`,
        )
        t.ok(upstream.calls.length > before, `${content.type}: reached the network`)
      }
      for (const [method, declared] of Object.entries(declaredMethods(capabilities)))
        t.equal(
          method in channel,
          declared,
          `${method} is ${declared ? 'declared, so it must be there' : 'not declared, so it must not be there'}`,
        )
      await extras(channel, { externalId: options.messageId ?? 'message-1', thread: { id: thread } }, part)
      t.ok(true, 'edit, remove, react, typing and markRead settle where they are there')
    },
    noUpstream,
  )
  await runner.check(
    'O2',
    'a text of the declared length goes out whole in one part',
    async (t) => {
      const { channel } = await harness.build()
      upstream.behave('normal')
      const { maxLength } = capabilities.text
      const before = upstream.calls.length
      await attempt(channel, text(Math.min(maxLength, 100_000)))
      const written = upstream.calls
        .slice(before)
        .map((call) => call.body)
        .join('')
      t.ok(written.includes('x'.repeat(Math.min(maxLength, 100_000))), 'all of it reached the network')
    },
    noUpstream,
  )
  await runner.check(
    'O3',
    'a retried part carries the same key, so that the network can drop it',
    async (t) => {
      const { channel } = await harness.build()
      upstream.behave('normal')
      const sent = text(5)
      const before = upstream.calls.length
      await attempt(channel, sent)
      await attempt(channel, sent)
      const keyed = upstream.calls.slice(before).filter((call) => {
        const all = JSON.stringify(call.headers) + call.body
        return all.includes(sent.idempotencyKey) || all.includes(sent.id)
      })
      t.equal(keyed.length, upstream.calls.length - before, 'every request names the key or the part')
    },
    noUpstream ?? (capabilities.idempotentSend === true ? undefined : 'the network cannot drop repeated sends'),
  )
  await runner.check(
    'O4',
    "the network's failures become the right codes",
    async (t) => {
      const { channel } = await harness.build()
      const date = new Date(testEpoch + 90_000).toUTCString()
      const cases: readonly (readonly [string, Behaviour, readonly PluginErrorCode[], number?])[] = [
        ['429 with seconds', { status: 429, headers: { 'retry-after': '7' } }, ['rate_limited'], 7000],
        ['429 with a date', { status: 429, headers: { 'retry-after': date } }, ['rate_limited'], 90_000],
        ['429 alone', { status: 429 }, ['rate_limited']],
        ['500', { status: 500, body: 'oops' }, ['retryable']],
        ['503 with Retry-After', { status: 503, headers: { 'retry-after': '3' } }, ['rate_limited'], 3000],
        ['401', { status: 401 }, ['auth']],
        ['403', { status: 403 }, ['auth', 'recipient']],
        ['400', { status: 400, body: {} }, anyCode],
        ['connection cut', 'reset', capabilities.idempotentSend === true ? ['uncertain', 'retryable'] : ['uncertain']],
      ]
      for (const [name, behaviour, codes, wait] of cases) {
        upstream.behave(behaviour)
        const error = await attempt(channel, text(5))
        const code = isPluginError(error) ? error.code : 'none'
        t.ok(codes.includes(code as PluginErrorCode), `${name}: ${code} is one of ${codes.join(', ')}`)
        if (wait !== undefined) t.equal(isPluginError(error) ? error.retryAfterMs : 0, wait, `${name}: waits as told`)
      }
      upstream.behave('normal')
    },
    noUpstream,
  )
  await runner.check(
    'O5',
    'the signal aborts a request in flight',
    async (t) => {
      const { channel, host } = await harness.build()
      upstream.behave('hang')
      const controller = new AbortController()
      const before = upstream.calls.length
      const running = attempt(channel, text(5), controller.signal, 4000).finally(host.abort)
      for (let i = 0; i < 500 && upstream.calls.length === before; i += 1)
        await new Promise((resolve) => setTimeout(resolve, 10))
      controller.abort(new Error('too late'))
      const error = await running
      upstream.behave('normal')
      t.ok(error instanceof Error, 'send rejects')
      t.ok(!isPluginError(error) || ['uncertain', 'retryable'].includes(error.code), 'as uncertain or retryable')
    },
    noUpstream,
  )
  await runner.check('C4', 'no secret shows in logs, errors or the instance', async (t) => {
    const { channel, host } = await harness.build()
    upstream.behave({ status: 500, body: 'oops' })
    if (noUpstream === undefined) await attempt(channel, text(5))
    upstream.behave('normal')
    const shown = [
      JSON.stringify(channel),
      JSON.stringify(host.logs),
      ...failures.map((error) => describe(error)),
    ].join('\n')
    const secrets = secretsOf(plugin.config, settingsOf(plugin, harness.written))
    for (const [index, secret] of secrets.entries()) t.ok(!shown.includes(secret), `secret ${index + 1} does not show`)
    t.ok(true, `${secrets.length} secrets, ${failures.length} errors`)
  })
}

/** An error with all its causes, as a log would show it. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const details = JSON.stringify((error as { details?: unknown }).details ?? {})
  return `${error.stack ?? ''} ${details} ${error.cause === undefined ? '' : describe(error.cause)}`
}

function declaredMethods(capabilities: Capabilities): Readonly<Record<string, boolean>> {
  const native = (support: unknown) => support !== undefined && support !== 'fallback' && support !== 'reject'
  return {
    edit: native(capabilities.edit),
    remove: native(capabilities.remove),
    react: native(capabilities.react),
    typing: capabilities.typing === true,
  }
}

async function extras(
  channel: Channel,
  ref: { readonly externalId: string; readonly thread: { readonly id: string } },
  part: (content: Part) => OutboundPart,
): Promise<void> {
  await channel.edit?.(ref, part({ type: 'text', text: 'corrected' }), control)
  await channel.react?.(ref, '👍', control)
  await channel.react?.(ref, null, control)
  await channel.typing?.(ref.thread, true, control)
  await channel.typing?.(ref.thread, false, control)
  await channel.markRead?.(ref.thread, ref, control)
  await channel.remove?.(ref, control)
}
