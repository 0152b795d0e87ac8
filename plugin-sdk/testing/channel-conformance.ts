import type { Channel, ChannelDef, ConfigSchema, InferConfig, Part } from '../src/index.js'
import { createRunner } from './checks.js'
import type { ConformanceReport, TestApi } from './checks.js'
import { createTestContext } from './context.js'
import type { TestContext, TestContextOptions } from './context.js'
import { inboundChecks } from './inbound-checks.js'
import { lifecycleChecks } from './lifecycle-checks.js'
import { manifestChecks } from './manifest-checks.js'
import type { ConformanceOptions, Settings } from './manifest-checks.js'
import { outboundChecks } from './outbound-checks.js'
import { recordQuality } from './quality.js'
import { settingsOf } from './settings.js'
import { upstreamServer } from './upstream.js'
import type { Upstream, UpstreamAnswer, UpstreamCall } from './upstream.js'

export type SampleRequest = {
  /** A string or bytes as they are, anything else as JSON. The kit signs it with the plugin's own verifier. */
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Types the events must have, in order. */
  readonly types?: readonly string[]
  /** This is a message of ours reported back: every message in it must be flagged as an echo. */
  readonly echo?: boolean
}

export type ChannelConformanceOptions = ConformanceOptions & {
  readonly requests: Readonly<Record<string, SampleRequest>>
  /** A body of several items, and the same with ONE of them spoilt. */
  readonly oddItem?: { readonly good: unknown; readonly odd: unknown }
  /** A message whose text is the given one. */
  readonly withText?: (text: string) => unknown
  readonly challenge?: {
    readonly query: Readonly<Record<string, string>>
    readonly body: string
    /** A handshake that must not be answered. */
    readonly wrong: Readonly<Record<string, string>>
  }
  /** What the network answers when all is well. */
  readonly answer?: (call: UpstreamCall) => UpstreamAnswer
  /** Instead of the kit's own server: for networks with a fixed address (`nockUpstream`). */
  readonly upstream?: () => Upstream | Promise<Upstream>
  /** A thread of the network to write to. */
  readonly thread?: string
  /** Network id of a message, in the network's form: for replies, edits, reactions. */
  readonly messageId?: string
  /** Parts to send besides those the kit makes up from the declared capabilities. */
  readonly parts?: readonly Part[]
}

export type Harness<S extends ConfigSchema> = {
  readonly plugin: ChannelDef<S>
  readonly options: ChannelConformanceOptions
  readonly upstream: Upstream
  readonly written: Settings
  /** A fresh instance with its context. */
  build(
    changes?: Partial<TestContextOptions<'channel', InferConfig<S>>>,
  ): Promise<{ readonly channel: Channel; readonly host: TestContext<'channel', InferConfig<S>> }>
}

/**
 * Runs every check of the contract that applies to a channel, as subtests named by id and sentence. Use it in the
 * plugin's own tests:
 *
 * @example
 * test('conforms', (t) => channelConformance(t, plugin, {
 *   root: new URL('../../', import.meta.url),
 *   config: (upstream) => ({ token: 'secret-token', apiBase: upstream }),
 *   invalidConfig: [{ config: {}, path: '/token' }],
 *   requests: { text: { body: { … }, types: ['message'] } },
 *   answer: () => ({ body: { id: 'sent-1' } }),
 * }))
 */
export async function channelConformance<const S extends ConfigSchema>(
  t: TestApi,
  plugin: ChannelDef<S>,
  options: ChannelConformanceOptions,
): Promise<ConformanceReport> {
  const runner = createRunner(t, options.skip ?? {})
  const upstream = await (options.upstream?.() ?? upstreamServer(options.answer ?? (() => ({ body: {} }))))
  const written = typeof options.config === 'function' ? options.config(upstream.base) : options.config
  const harness: Harness<S> = {
    plugin,
    options,
    upstream,
    written,
    async build(changes = {}) {
      const config = settingsOf(plugin, written)
      const host = createTestContext<'channel', InferConfig<S>>({ kind: 'channel', config, ...changes })
      return { channel: await plugin.setup(host.context), host }
    },
  }
  try {
    await manifestChecks(runner, plugin, options)
    await lifecycleChecks(runner, harness)
    await inboundChecks(runner, harness)
    await outboundChecks(runner, harness)
  } finally {
    await upstream.close()
  }
  const report = runner.report({ bronze: 'MCL', silver: 'I', gold: 'O' })
  if (options.record !== false) recordQuality(options.root, plugin, report)
  return report
}
