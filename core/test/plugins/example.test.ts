import { createHmac } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { OutboundPart, RawRequest } from '@throughline/plugin-sdk'
import nock from 'nock'
import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { channel, testHost } from './support.js'

const folder = fileURLToPath(new URL('../../../../examples/plugins/channel-line', import.meta.url))
const settings = { token: 'line-token', secret: 'line-secret' }

function request(body: string, signature: string): RawRequest {
  return {
    method: 'POST',
    path: '',
    url: 'https://desk.example/channels/line/webhook',
    query: {},
    headers: { 'x-line-signature': signature },
    body: Buffer.from(body),
    ip: '127.0.0.1',
    receivedAt: 0,
    text: () => body,
    json: <T>() => JSON.parse(body) as T,
    form: () => new URLSearchParams(body),
  }
}

test('the example channel of the guide, loaded from its folder, takes a signed webhook and sends an answer', async (t) => {
  t.teardown(() => nock.cleanAll())
  const store = await withDatabase(t)
  const { host } = await testHost(t, store, { channels: [channel('line', folder, { config: settings })] })
  await host.start()
  const instance = host.channel('line')!
  t.match(instance.status(), { state: 'running', plugin: 'line', signature: 'hmac-sha256' })

  const body = JSON.stringify({
    events: [
      {
        type: 'message',
        webhookEventId: 'e1',
        timestamp: 1_700_000_000_000,
        source: { userId: 'U1' },
        message: { id: 'm1', type: 'text', text: 'こんにちは' },
      },
      {
        type: 'message',
        webhookEventId: 'e2',
        timestamp: 1_700_000_000_001,
        source: { userId: 'U1' },
        message: { id: 'm2', type: 'sticker' },
      },
      { type: 'follow', webhookEventId: 'e3', timestamp: 1_700_000_000_002 },
    ],
  })
  const signature = createHmac('sha256', settings.secret).update(body).digest('base64')
  const { webhook } = instance.live!
  t.equal(await webhook!.verify.verify(request(body, signature)), 'ok')
  t.equal(await webhook!.verify.verify(request(`${body} `, signature)), 'invalid')
  t.equal(await webhook!.verify.verify({ ...request(body, ''), headers: {} }), 'missing')
  t.match(webhook!.parse(request(body, signature)), [
    { id: 'e1', type: 'message', text: 'こんにちは', thread: { id: 'U1' }, messageId: 'm1' },
    { id: 'e2', type: 'message', text: '[sticker]' },
    { id: 'e3', type: 'unknown', note: 'follow' },
  ])

  const part: OutboundPart = {
    id: 'p1',
    idempotencyKey: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b',
    thread: { id: 'U1' },
    text: 'hello',
    content: { type: 'text', text: 'hello' },
    author: { kind: 'agent', name: 'Ada' },
  }
  const send = (): Promise<unknown> =>
    instance.call('send', 5_000, (live, signal) => live.send(part, { signal, attempt: 1 }))
  const provider = nock('https://api.line.me', {
    reqheaders: { authorization: 'Bearer line-token', 'x-line-retry-key': part.idempotencyKey },
  })
  const answer = { to: 'U1', messages: [{ type: 'text', text: 'hello' }] }
  provider.post('/v2/bot/message/push', answer).reply(200, { sentMessages: [{ id: '461' }] })
  t.same(await send(), { externalId: '461' })
  provider.post('/v2/bot/message/push').reply(409, { message: 'accepted before', sentMessages: [{ id: '461' }] })
  t.same(await send(), { externalId: '461' }, 'a retry that was accepted before is a success')
  provider.post('/v2/bot/message/push').reply(429, '', { 'retry-after': '2' })
  await t.rejects(send(), { code: 'rate_limited', retryAfterMs: 2_000 })
  provider.post('/v2/bot/message/push').reply(401, '')
  await t.rejects(send(), { code: 'auth' })
})
