import type { Bus, ConfigSchema, Hint, InferConfig, PluginDef } from '../src/index.js'
import { hintBytes } from '../src/index.js'
import { createRunner, settles } from './checks.js'
import type { ConformanceReport, TestApi } from './checks.js'
import { createTestContext } from './context.js'
import { manifestChecks } from './manifest-checks.js'
import type { ConformanceOptions } from './manifest-checks.js'
import { recordQuality } from './quality.js'
import { settingsOf } from './settings.js'

export type BusConformanceOptions = ConformanceOptions & {
  /** The real thing the bus runs over, which the kit takes away and gives back at the same address. */
  readonly broker: { stop(): Promise<void>; start(): Promise<void> }
}

const PUBLISH_MS = 1_000
const COME_BACK_MS = 30_000

/** Runs the checks of a bus: manifest, settings, and that it carries hints without ever being in the way. */
export async function busConformance<const S extends ConfigSchema>(
  t: TestApi,
  plugin: PluginDef<'bus', S, Bus>,
  options: BusConformanceOptions,
): Promise<ConformanceReport> {
  const runner = createRunner(t, options.skip ?? {})
  await manifestChecks(runner, plugin, options)
  const written = typeof options.config === 'function' ? options.config('') : options.config
  const build = async (id: string) => {
    const host = createTestContext<'bus', InferConfig<S>>({ kind: 'bus', id, config: settingsOf(plugin, written) })
    const bus = await plugin.setup(host.context)
    const heard: Hint[] = []
    return { host, bus, heard }
  }
  const started = async (id: string) => {
    const one = await build(id)
    await settles(Promise.resolve(one.bus.start?.()), 'start')
    return { ...one, unsubscribe: one.bus.subscribe((hint) => one.heard.push(hint)) }
  }
  const until = async (what: string, done: () => boolean, limitMs = 10_000) => {
    for (const end = performance.now() + limitMs; !done();) {
      if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  /** Published again and again, as hints are: one that is lost on the way is nobody's fault. */
  const reaches = (from: Bus, to: readonly Hint[], key: string, limitMs?: number) => {
    const timer = setInterval(() => void from.publish({ topic: 'events', node: 'a', key }).catch(() => undefined), 100)
    return until(`hint ${key}`, () => to.some((hint) => hint.key === key), limitMs).finally(() => clearInterval(timer))
  }

  await runner.check('N1', 'a hint published on one instance arrives at another, whole', async (check) => {
    const [a, b] = [await started('a'), await started('b')]
    await reaches(a.bus, b.heard, 'first')
    const hint: Hint = { topic: 'ephemeral', node: 'a', position: '12', key: 'whole', data: '{"t":"typing","ü":"\\""}' }
    await a.bus.publish(hint)
    await until('the whole hint', () => b.heard.some((one) => one.key === 'whole'))
    check.equal(JSON.stringify(b.heard.find((one) => one.key === 'whole')), JSON.stringify(hint), 'as it was said')
    await Promise.all([a.bus.stop?.(), b.bus.stop?.()])
  })
  await runner.check('N2', 'without a connection publishing settles in time and throws nothing', async (check) => {
    const { bus } = await started('a')
    await options.broker.stop()
    try {
      for (let i = 0; i < 20; i++) {
        let outcome: Promise<void>
        try {
          outcome = bus.publish({ topic: 'events', node: 'a', key: String(i) })
        } catch {
          check.ok(false, 'it throws into the turn of its caller')
          break
        }
        await settles(
          outcome.catch(() => undefined),
          'publish',
          PUBLISH_MS,
        )
        check.ok(true, 'settled')
      }
      const late = await build('late')
      await settles(
        Promise.resolve(late.bus.start?.()).catch(() => undefined),
        'start without a broker',
        30_000,
      )
      await settles(Promise.resolve(late.bus.stop?.()), 'stop without a broker')
      await settles(Promise.resolve(bus.stop?.()), 'stop without a broker')
    } finally {
      await options.broker.start()
    }
  })
  await runner.check('N3', 'every connection is announced with *, and hints flow again', async (check) => {
    const [a, b] = [await started('a'), await started('b')]
    await until('the first announcement', () => b.heard.some((hint) => hint.topic === '*'))
    await options.broker.stop()
    b.heard.length = 0
    await options.broker.start()
    await until('the announcement after a loss', () => b.heard.some((hint) => hint.topic === '*'), COME_BACK_MS)
    await reaches(a.bus, b.heard, 'again', COME_BACK_MS)
    check.ok(true, 'it came back')
    await Promise.all([a.bus.stop?.(), b.bus.stop?.()])
  })
  await runner.check('N4', `hints over ${hintBytes} bytes are refused`, async (check) => {
    const [a, b] = [await started('a'), await started('b')]
    await reaches(a.bus, b.heard, 'small')
    const refused = await a.bus.publish({ topic: 'ephemeral', node: 'a', data: 'x'.repeat(hintBytes) }).then(
      () => false,
      () => true,
    )
    check.ok(refused, 'refused')
    await reaches(a.bus, b.heard, 'after')
    check.ok(!b.heard.some((hint) => hint.topic === 'ephemeral'), 'and not delivered')
    await Promise.all([a.bus.stop?.(), b.bus.stop?.()])
  })
  await runner.check(
    'N5',
    'after unsubscribe nothing is heard; stop works twice and leaves nothing open',
    async (check) => {
      const open = () =>
        process.getActiveResourcesInfo().filter((kind) => /TCPSocketWrap|TLSWrap|Timeout/.test(kind)).length
      const before = open()
      const [a, b] = [await started('a'), await started('b')]
      await reaches(a.bus, b.heard, 'heard')
      b.unsubscribe()
      const length = b.heard.length
      const again: Hint[] = []
      const other = await started('c')
      other.bus.subscribe((hint) => again.push(hint))
      await reaches(a.bus, again, 'unheard')
      check.equal(b.heard.length, length, 'silence after unsubscribe')
      for (const { bus } of [a, b, other, a]) await settles(Promise.resolve(bus.stop?.()), 'stop')
      for (let i = 0; i < 100 && open() > before; i++) await new Promise((resolve) => setTimeout(resolve, 20))
      check.ok(open() <= before, 'no socket and no timer stays')
    },
  )
  const report = runner.report({ bronze: 'MC', silver: 'N', gold: 'N' })
  if (options.record !== false) recordQuality(options.root, plugin, report)
  return report
}
