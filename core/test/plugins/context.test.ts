import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Context } from '@throughline/plugin-sdk'
import { sql } from 'kysely'
import { test } from 'tap'
import { createPluginMetrics } from '../../src/plugins/plugin-metrics.js'
import { withDatabase } from '../support/database.js'
import { channel, fixtures, testHost, until } from './support.js'

const { lives } = (await import(pathToFileURL(join(fixtures, 'good.mjs')).href)) as { lives: Context<'channel'>[] }

async function contexts(t: any) {
  lives.length = 0
  const store = await withDatabase(t)
  const test = await testHost(t, store, { channels: [channel('one', './good.mjs'), channel('two', './good.mjs')] })
  await test.host.start()
  const [one, two] = ['one', 'two'].map((id) => lives.find((it) => it.id === id)!)
  return { ...test, store, one: one!, two: two! }
}

test('state is kept per instance, expires by database time, and swaps only what still is', async (t) => {
  const { one, two, store } = await contexts(t)
  await one.state.set('k', { a: [1, 'ä'] })
  t.same(await one.state.get('k'), { a: [1, 'ä'] })
  t.equal(await two.state.get('k'), null, 'the same key of another instance is another key')
  await two.state.set('k', 1)
  t.same(await one.state.list(''), [{ key: 'k', value: { a: [1, 'ä'] } }])
  t.equal(await one.state.cas('k', { a: [1, 'ä'] }, 'next'), true)
  t.equal(await one.state.cas('k', { a: [1, 'ä'] }, 'again'), false)
  t.equal(await one.state.cas('new', null, 1), true)
  t.equal(await one.state.cas('new', null, 2), false)
  await one.state.set('short', 1, { ttlMs: 60_000 })
  await sql`update plugin_state set expires_at = now() - interval '1 s' where key = 'short'`.execute(store.db)
  t.equal(await one.state.get('short'), null)
  t.equal(await one.state.cas('short', null, 2), true, 'what expired is absent')
  await one.state.set('a%b', 1)
  await one.state.set('axb', 1)
  t.same(
    (await one.state.list('a%')).map((it) => it.key),
    ['a%b'],
  )
  await one.state.delete('k')
  t.equal(await one.state.get('k'), null)
  t.equal(await two.state.get('k'), 1)
  await t.rejects(one.state.set('bad', undefined))
  await t.rejects(one.state.set('big', 'x'.repeat(300_000)))
})

test('of twenty swaps at once one wins', async (t) => {
  const { one } = await contexts(t)
  await one.state.set('leader', 0)
  const won = await Promise.all(Array.from({ length: 20 }, (_, i) => one.state.cas('leader', 0, i + 1)))
  t.equal(won.filter(Boolean).length, 1)
})

test('signatures of one instance mean nothing to another and survive a restart of the host', async (t) => {
  const { one, two } = await contexts(t)
  const signature = one.signer.sign('visitor 1')
  t.equal(one.signer.verify('visitor 1', signature), true)
  t.equal(one.signer.verify('visitor 2', signature), false)
  t.equal(two.signer.verify('visitor 1', signature), false)
  for (const junk of ['', 'x', signature.slice(1), signature + 'A', `${signature.slice(0, -2)}==`])
    t.equal(one.signer.verify('visitor 1', junk), false)
})

test('the context names the instance, its address and its frozen settings', async (t) => {
  const { one, two } = await contexts(t)
  t.equal(one.publicUrl, 'http://localhost:1/channels/one')
  t.equal(two.publicUrl, 'http://localhost:1/channels/two')
  t.ok(Object.isFrozen(one))
  t.same(one.config, { token: 'none' })
})

test('counters of instances show up in the exposition, with a bound on their series', (t) => {
  const metrics = createPluginMetrics()
  const one = metrics.of('wa-sales')
  one.count('sent')
  one.count('sent', 2)
  one.count('sent', -1)
  one.count('sent', Number.NaN)
  for (let i = 0; i < 1_000; i++) one.count('ids', 1, { id: `${i}"\n` })
  const lines = metrics.exposition().split('\n')
  t.ok(lines.includes('plugin_wa_sales_sent 3'))
  const ids = lines.filter((line) => line.startsWith('plugin_wa_sales_ids{'))
  t.ok(ids.length <= 201)
  t.ok(ids.includes('plugin_wa_sales_ids{id="0\\"\\n"} 1'), 'label values are escaped')
  t.ok(ids.includes('plugin_wa_sales_ids{other="true"} 800'))
  t.end()
})

test('periodic work of a plugin runs, survives its errors, and ends with the instance', async (t) => {
  const { one, host, lines } = await contexts(t)
  let runs = 0
  one.every('tick', 20, async () => {
    runs += 1
    if (runs === 1) throw new Error('with +15551234 in it')
  })
  await until(() => runs >= 3)
  await host.stop()
  const after = runs
  one.every('late', 1, async () => void (runs += 100))
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.equal(runs, after)
  const failed = lines.find((line) => line.message === 'periodic work of the plugin failed')
  t.match(failed?.fields, { instance: 'one', task: 'tick', code: 'bug' })
  t.notMatch(JSON.stringify(lines), '15551234', 'words that the plugin did not choose stay out of the log')
})
