import { channelConformance } from '@throughline/plugin-sdk/testing'
import { existsSync } from 'node:fs'
import { test } from 'tap'
import plugin from '../src/index.js'
import surface from '../src/surface.js'
import { siteSecret, webChat } from './support/calls.js'

test('the channel keeps the contract', async (t) => {
  const report = await channelConformance(t as never, plugin, {
    root: new URL('../../', import.meta.url),
    config: { siteSecret, allowedOrigins: ['https://shop.example.test'] },
    invalidConfig: [
      { config: { siteSecret: 'short' }, path: '/siteSecret' },
      { config: { ask: ['password'] }, path: '/ask/0' },
      { config: { visitorDays: 0 }, path: '/visitorDays' },
    ],
    requests: {},
  })
  t.same(report.failed, [])
})

test('a sent part is in the thread already: it is sent under its own id, however often', async (t) => {
  const { channel } = await webChat()
  const control = { signal: new AbortController().signal, attempt: 1 }
  const part = {
    id: 'part-1',
    idempotencyKey: crypto.randomUUID(),
    thread: { id: 'x' },
    text: 'Hello',
    content: { type: 'text', text: 'Hello' },
    author: { kind: 'agent', name: 'Ada' },
  } as const
  t.same(await channel.send(part, control), { externalId: 'part-1', status: 'sent' })
  t.same(await channel.send(part, { ...control, attempt: 2 }), { externalId: 'part-1', status: 'sent' })
})

test('only the sites of the list may call from another origin', async (t) => {
  const origins = async (allowedOrigins: string[]) =>
    (await webChat({ allowedOrigins })).channel.endpoints?.['session']?.origins
  t.equal(await origins([]), undefined)
  t.same(await origins(['https://shop.example.test']), ['https://shop.example.test'])
  t.equal(await origins(['*']), '*')
})

test('the surface leads to the files of the widget and publishes the channel', async (t) => {
  const built = await surface.setup({ config: { channel: 'webchat-eu' } } as never)
  t.match(built, { mount: '/chat', audience: 'customer', embed: true, settings: { channel: 'webchat-eu' } })
  for (const file of ['index.html', 'widget.js', 'demo.css', 'demo.js'])
    t.ok(existsSync(new URL(file, built.root)), file)
})
