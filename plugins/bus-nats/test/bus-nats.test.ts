import { isPluginError, type Hint } from '@throughline/plugin-sdk'
import { busConformance, createTestContext, settingsOf } from '@throughline/plugin-sdk/testing'
import tap, { test, type Test } from 'tap'
import { hintOf } from '../src/bus.js'
import plugin from '../src/index.js'
import { startNats, withoutNats, type NatsServer } from './nats-server.js'

tap.setTimeout(180_000)

const root = new URL('../../', import.meta.url)

test('conformance', { skip: withoutNats }, async (t) => {
  const broker = await startNats(t)
  const report = await busConformance(t, plugin, {
    root,
    config: { servers: broker.url, subject: 'kit' },
    invalidConfig: [
      { config: { servers: '' }, path: '/servers' },
      { config: { subject: 'a.>' }, path: '/subject' },
      { config: { tls: 'yes' }, path: '/tls' },
    ],
    broker,
  })
  t.same(report.failed, [])
})

async function run(t: Test, server: Pick<NatsServer, 'url'>, more: Record<string, unknown> = {}) {
  const host = createTestContext<'bus', any>({
    kind: 'bus',
    config: settingsOf(plugin, { servers: server.url, ...more }),
  })
  const bus = await plugin.setup(host.context)
  t.teardown(() => bus.stop?.())
  const heard: Hint[] = []
  await bus.start?.()
  bus.subscribe((hint) => heard.push(hint))
  return { host, bus, heard }
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 1500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  if (!done()) throw new Error('it did not happen within 30 s')
}

test('an engine starts while NATS is away, says so, and hears when it comes', { skip: withoutNats }, async (t) => {
  const server = await startNats(t)
  await server.stop()
  const { host, bus, heard } = await run(t, server)
  t.match(host.health.at(-1), { status: 'degraded', code: 'retryable', userAction: /Start NATS/ })
  await t.rejects(bus.publish({ topic: 'events', node: 'a' }), { code: 'retryable' })
  await server.start()
  await until(() => heard.some((hint) => hint.topic === '*'))
  t.match(host.health.at(-1), { status: 'ok' })
})

test(
  'wrong credentials are named as such, right ones let in, and neither is logged',
  { skip: withoutNats },
  async (t) => {
    const server = await startNats(t, ['--auth', 'open-sesame'])
    const wrong = await run(t, server, { token: 'knock-knock' })
    await until(() => wrong.host.health.at(-1)?.code === 'auth')
    const refused = await plugin.check?.(wrong.host.context).catch((error: unknown) => error)
    t.ok(isPluginError(refused) && refused.code === 'auth')
    const right = await run(t, server, { token: 'open-sesame' })
    t.match(right.host.health.at(-1), { status: 'ok' })
    t.match(await plugin.check?.(right.host.context), { ok: true })
    const said = JSON.stringify([wrong.host.health, right.host.health, wrong.host.logs, right.host.logs])
    t.notMatch(said, /sesame|knock/)
  },
)

test('installations with different subjects do not hear each other', { skip: withoutNats }, async (t) => {
  const server = await startNats(t)
  const [here, there] = [await run(t, server, { subject: 'here' }), await run(t, server, { subject: 'there' })]
  const same = await run(t, server, { subject: 'here' })
  const timer = setInterval(() => void here.bus.publish({ topic: 'events', node: 'a', key: 'k' }), 50)
  await until(() => same.heard.some((hint) => hint.key === 'k'))
  clearInterval(timer)
  t.notOk(there.heard.some((hint) => hint.key === 'k'))
})

test('what is said on the subject and is no hint is dropped', async (t) => {
  for (const text of ['', '{', 'null', '[]', '7', '{"topic":1,"node":"a"}', '{"topic":"events"}']) {
    t.equal(hintOf(text), null, text)
  }
  t.same(hintOf('{"topic":"events","node":"a","position":7,"data":{},"__proto__":{"x":1}}'), {
    topic: 'events',
    node: 'a',
  })
})
