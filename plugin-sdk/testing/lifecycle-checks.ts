import type { ConfigSchema } from '../src/index.js'
import { isPluginError } from '../src/index.js'
import type { Harness } from './channel-conformance.js'
import { settles } from './checks.js'
import type { Runner } from './checks.js'
import { createBacking } from './memory.js'

export async function lifecycleChecks<S extends ConfigSchema>(runner: Runner, harness: Harness<S>): Promise<void> {
  const { plugin, upstream } = harness
  const { channel: probe } = await harness.build()

  await runner.check('L1', 'setup does no network', async (t) => {
    upstream.behave('normal')
    const before = upstream.calls.length
    const realFetch = globalThis.fetch
    let fetched = 0
    globalThis.fetch = () => {
      fetched += 1
      return Promise.reject(new Error('no network in setup'))
    }
    try {
      await harness.build()
    } finally {
      globalThis.fetch = realFetch
    }
    t.equal(fetched, 0, 'fetch was not called')
    t.equal(upstream.calls.length - before, 0, 'nothing reached the network')
  })

  await runner.check('L2', 'start and stop leave no timers or servers behind', async (t) => {
    const open = () => process.getActiveResourcesInfo().filter((kind) => /Timeout|Server|Immediate/.test(kind)).length
    const before = open()
    const { channel, host } = await harness.build()
    await settles(Promise.resolve(channel.start?.()), 'start')
    await settles(Promise.resolve(channel.stop?.()), 'stop')
    host.abort()
    for (let i = 0; i < 50 && open() > before; i += 1) await new Promise((resolve) => setImmediate(resolve))
    t.ok(open() <= before, 'as many timers and servers as before')
  })

  await runner.check('L3', 'stop works twice and before start', async (t) => {
    const { channel } = await harness.build()
    await settles(Promise.resolve(channel.stop?.()), 'stop before start')
    await settles(Promise.resolve(channel.start?.()), 'start')
    await settles(Promise.resolve(channel.stop?.()), 'stop')
    await settles(Promise.resolve(channel.stop?.()), 'the second stop')
    t.ok(true, 'all settled')
  })

  await runner.check(
    'L4',
    'connect returns when it is aborted',
    async (t) => {
      const { channel } = await harness.build()
      const controller = new AbortController()
      upstream.behave('hang')
      const running = channel.connect?.(controller.signal, () => undefined).catch(() => undefined)
      await new Promise((resolve) => setImmediate(resolve))
      controller.abort(new Error('the instance stops'))
      await settles(Promise.resolve(running), 'connect', 5000)
      upstream.behave('normal')
      t.ok(true, 'it returned')
    },
    probe.connect === undefined ? 'the channel has no connect' : undefined,
  )

  await runner.check('L5', 'two instances do not share state or files', async (t) => {
    const backing = createBacking()
    const one = await harness.build({ id: 'one', backing })
    const two = await harness.build({ id: 'two', backing })
    t.ok(one.channel !== two.channel, 'setup builds a new instance each time')
    await one.host.state.set('cursor', 1)
    const file = await one.host.files.put(new Uint8Array([1, 2, 3]))
    t.equal(await two.host.state.get('cursor'), null, "the other's state is not there")
    t.equal(await two.host.files.get(file.key), null, "the other's file is not there, even by its key")
  })

  await runner.check(
    'L6',
    'check says no when the network refuses the credentials',
    async (t) => {
      const { host } = await harness.build()
      upstream.behave({ status: 401, body: { error: 'unauthorised' } })
      const result = await settles(
        Promise.resolve(plugin.check?.(host.context)).catch((error: unknown) => error),
        'check',
      )
      upstream.behave('normal')
      const refused = isPluginError(result) ? result.code === 'auth' : (result as { ok?: boolean }).ok === false
      t.ok(refused, '{ok: false}, or a PluginError with code auth')
      const good = await settles(Promise.resolve(plugin.check?.(host.context)), 'check')
      t.ok(typeof good?.ok === 'boolean', 'and answers in the right form when the network speaks')
    },
    plugin.check === undefined ? 'the channel has no check' : undefined,
  )
}
