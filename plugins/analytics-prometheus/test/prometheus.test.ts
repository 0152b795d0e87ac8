import type { Context, LoggedEvent } from '@throughline/plugin-sdk'
import { test } from 'tap'
import plugin from '../src/index.js'

const never = new AbortController().signal

async function setUp(config: { prefix: string; process: boolean } = { prefix: 'throughline_', process: false }) {
  return plugin.setup({ config } as unknown as Context<'analytics', typeof config>)
}

function event(position: number, type: string, data: Record<string, unknown> = {}): LoggedEvent {
  return { position, type, at: 0, conversation: null, contact: null, actor: { kind: 'system', id: null }, data }
}

test('events are counted by type and channel, messages by direction, deliveries and offers by outcome', async (t) => {
  const live = await setUp()
  await live.handle(
    [
      event(1, 'message.inbound', { channel: 'webchat' }),
      event(2, 'message.inbound', { channel: 'webchat' }),
      event(3, 'message.queued', { channel: 'email' }),
      event(4, 'message.sent', { channel: 'email' }),
      event(5, 'offer.accepted'),
      event(6, 'conversation.created'),
    ],
    never,
  )
  const { body, contentType } = (await live.exposition?.()) ?? { body: '', contentType: '' }
  t.match(contentType, /^text\/plain/)
  for (const line of [
    'throughline_events_total{type="message.inbound",channel="webchat"} 2',
    'throughline_messages_total{direction="in",channel="webchat"} 2',
    'throughline_messages_total{direction="out",channel="email"} 1',
    'throughline_deliveries_total{outcome="sent",channel="email"} 1',
    'throughline_offers_total{outcome="accepted"} 1',
    'throughline_events_total{type="conversation.created",channel=""} 1',
    'throughline_events_position 6',
  ]) {
    t.ok(body.split('\n').includes(line), line)
  }
})

test('a batch delivered twice counts once', async (t) => {
  const live = await setUp()
  const batch = [event(1, 'message.inbound', { channel: 'a' }), event(2, 'message.inbound', { channel: 'a' })]
  await live.handle(batch, never)
  await live.handle([...batch, event(3, 'message.inbound', { channel: 'a' })], never)
  const { body } = (await live.exposition?.()) ?? { body: '' }
  t.match(body, 'throughline_messages_total{direction="in",channel="a"} 3')
})

test('channels without end do not make series without end', async (t) => {
  const live = await setUp()
  await live.handle(
    Array.from({ length: 2_000 }, (_, i) => event(i + 1, 'message.inbound', { channel: `c${i}` })),
    never,
  )
  const { body } = (await live.exposition?.()) ?? { body: '' }
  t.ok(body.split('\n').filter((line) => line.startsWith('throughline_messages_total{')).length <= 201)
  t.match(body, 'throughline_messages_total{direction="in",channel="other"} 1800')
})

test('two instances do not share counters, and process metrics come when asked for', async (t) => {
  const [one, two] = [await setUp({ prefix: 'x_', process: true }), await setUp({ prefix: 'x_', process: true })]
  await one.handle([event(1, 'note.added')], never)
  const { body } = (await two.exposition?.()) ?? { body: '' }
  t.match(body, 'process_resident_memory_bytes')
  t.notMatch(body, 'note.added')
  await one.stop?.()
  await two.stop?.()
})

test('the plugin asks for no personal data', async (t) => {
  const live = await setUp()
  t.equal(live.pii, 'none')
  t.equal(live.scope, 'node')
})
