import { isDeepStrictEqual as same } from 'node:util'
import type { ConfigSchema, Identity, IdentityQuery, InferConfig, Match, PluginDef } from '../src/index.js'
import { createRunner, settles } from './checks.js'
import type { ConformanceReport, TestApi } from './checks.js'
import { createTestContext } from './context.js'
import { manifestChecks } from './manifest-checks.js'
import type { ConformanceOptions } from './manifest-checks.js'
import { recordQuality } from './quality.js'
import { settingsOf } from './settings.js'

export type IdentityConformanceOptions = ConformanceOptions & {
  /** Further queries to try, besides the kit's own. */
  readonly queries?: readonly IdentityQuery[]
}

const rank = { claimed: 0, verified: 1 } as const

/** Runs the checks of an identity plugin: manifest, settings, and that a claim never becomes a proof. */
export async function identityConformance<const S extends ConfigSchema>(
  t: TestApi,
  plugin: PluginDef<'identity', S, Identity>,
  options: IdentityConformanceOptions,
): Promise<ConformanceReport> {
  const runner = createRunner(t, options.skip ?? {})
  await manifestChecks(runner, plugin, options)
  const written = typeof options.config === 'function' ? options.config('http://127.0.0.1:1') : options.config
  const build = async () => {
    const host = createTestContext<'identity', InferConfig<S>>({
      kind: 'identity',
      config: settingsOf(plugin, written),
    })
    return { host, identity: await plugin.setup(host.context) }
  }
  const { identity, host } = await build()
  const signal = host.context.signal
  const resolve = async (query: IdentityQuery) => settles(Promise.resolve(identity.resolve(query, signal)), 'resolve')
  const queries = [...kitQueries(), ...(options.queries ?? [])]

  await runner.check('D1', 'no answer claims more than the channel vouched for', async (check) => {
    for (const query of queries) {
      const matches = await resolve(query)
      check.ok(
        matches.every((match) => rank[match.assurance] <= rank[ceiling(query, match)]),
        'no assurance is raised',
      )
    }
  })
  await runner.check('D2', 'answers are well-formed and explain themselves', async (check) => {
    for (const query of queries)
      for (const match of await resolve(query)) {
        check.ok(match.identifier.kind.length > 0 && match.identifier.value.length > 0, 'kind and value are there')
        check.ok(match.confidence >= 0 && match.confidence <= 1, 'confidence is between 0 and 1')
        check.ok(match.evidence.length > 5, 'a sentence of evidence')
      }
  })
  await runner.check('D3', 'normal forms stay as they are, and the same query gives the same answer', async (check) => {
    for (const query of queries) {
      const first = await resolve(query)
      check.ok(same(first, await resolve(query)), 'twice the same')
      const identifiers = first.map((match) => ({ ...match.identifier, assurance: match.assurance }))
      const again = await resolve({ ...query, sender: { id: query.sender.id, identifiers }, hints: {} })
      for (const match of first)
        check.ok(
          again.some((other) => same(other.identifier, match.identifier)),
          'the normal form is its own normal form',
        )
    }
  })
  await runner.check('D4', 'stop works twice, and forgetting can be repeated', async (check) => {
    const fresh = await build()
    await fresh.identity.start?.()
    await fresh.identity.forget?.([{ kind: 'email', value: 'ada@example.test' }])
    await fresh.identity.forget?.([{ kind: 'email', value: 'ada@example.test' }])
    await fresh.identity.stop?.()
    await fresh.identity.stop?.()
    check.ok(true, 'all settled')
  })
  const report = runner.report({ bronze: 'MC', silver: 'D', gold: 'D' })
  if (options.record !== false) recordQuality(options.root, plugin, report)
  return report
}

/** The most a match may be: what the channel said of the identifiers of that kind; hints are claims. */
function ceiling(query: IdentityQuery, match: Match): 'verified' | 'claimed' {
  const own = match.identifier.kind === query.channel || match.identifier.value === query.sender.id
  const said = (query.sender.identifiers ?? []).filter((identifier) => identifier.kind === match.identifier.kind)
  const known = said.some((identifier) => (identifier.assurance ?? 'verified') === 'verified')
  return known || (own && (query.sender.assurance ?? 'verified') === 'verified') ? 'verified' : 'claimed'
}

function kitQueries(): readonly IdentityQuery[] {
  const odd = ['', ' ', '\u0000', 'x'.repeat(600), '+', '@', 'a@', '@b', 'a@b@c', '+1 (555) ext', '__proto__', '１２３']
  const kinds = ['phone', 'email', 'telegram', 'device', 'something']
  return [
    ...odd.flatMap((value) => [
      { channel: 'test', sender: { id: 'person', identifiers: kinds.map((kind) => ({ kind, value })) }, hints: {} },
      { channel: 'test', sender: { id: 'person' }, hints: { email: value, phone: value } },
    ]),
    {
      channel: 'test',
      sender: { id: 'p', identifiers: [{ kind: 'phone', value: '+4930901820', assurance: 'claimed' }] },
      hints: { phone: '+4930901821' },
    },
    {
      channel: 'test',
      sender: { id: 'p', identifiers: [{ kind: 'email', value: 'Ada <ADA@Example.test>' }] },
      hints: { email: 'other@example.test' },
    },
    { channel: 'test', sender: { id: 'ada@example.test', assurance: 'claimed' }, hints: {} },
  ]
}
