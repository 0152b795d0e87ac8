import fc from 'fast-check'
import nock from 'nock'
import { test } from 'tap'
import type { Test } from 'tap'
import { isPluginError, standardWebhooks } from '@throughline/plugin-sdk'
import type { InboundEvent, Part } from '@throughline/plugin-sdk'
import {
  channelConformance,
  createTestContext,
  eventIssues,
  nockUpstream,
  outboundPart,
  rawRequest,
  settingsOf,
  testEpoch,
} from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import { parse } from '../src/parse.js'

const settings = {
  secret: `whsec_${Buffer.from('a secret of the tests').toString('base64')}`,
  deliverUrl: 'https://crm.example.test/hooks/out',
}
const at = '2026-01-05T12:00:00Z'
const person = { id: 'u1', name: 'Ada' }
const message = (fields: object = {}, id = 'm1') => ({
  id,
  type: 'message',
  at,
  thread: { id: 't1' },
  sender: person,
  text: 'Hello',
  ...fields,
})
const body = (...events: readonly unknown[]) => ({ events })
const read = (...events: readonly unknown[]) => parse(rawRequest({ body: body(...events) }))
const control = { signal: new AbortController().signal, attempt: 1 }

test('channel-http passes the conformance kit', async (t) => {
  const report = await channelConformance(t, plugin, {
    root: new URL('../../', import.meta.url),
    config: (upstream) => ({ ...settings, deliverUrl: `${upstream}/hooks/out` }),
    invalidConfig: [
      { config: {}, path: '/secret' },
      { config: { ...settings, secret: 'short' }, path: '/secret' },
      { config: { ...settings, deliverUrl: 'crm.example.test' }, path: '/deliverUrl' },
      { config: { ...settings, timeoutMs: 1 }, path: '/timeoutMs' },
    ],
    requests: {
      text: { body: body(message()), types: ['message'] },
      parts: {
        body: body(
          message({
            parts: [
              { type: 'image', media: { url: 'https://x.test/a.png' } },
              { type: 'card', title: 'T', choices: [{ label: 'A' }] },
            ],
          }),
        ),
        types: ['message'],
      },
      many: {
        body: body(
          { id: 'e1', type: 'edit', thread: { id: 't1' }, target: 'm1', text: 'b' },
          { id: 'e2', type: 'receipt', target: 'p1', status: 'read', watermark: true, thread: { id: 't1' } },
          { id: 'e3', type: 'action', thread: { id: 't1' }, sender: person, value: 'yes', label: 'Yes' },
          { id: 'e4', type: 'consent', sender: person, granted: false },
        ),
        types: ['edit', 'receipt', 'action', 'consent'],
      },
      echo: { body: body(message({ echo: true })), types: ['message'], echo: true },
    },
    oddItem: {
      good: body(message({}, 'a'), message({}, 'b'), message({}, 'c')),
      odd: body(message({}, 'a'), { id: 'b', type: 'message' }, message({}, 'c')),
    },
    withText: (text) => body(message({ text })),
    answer: () => ({ headers: { 'content-type': 'application/json' }, body: { externalId: 'ext-1' } }),
  })
  t.same(report.failed, [])
  t.equal(report.grade, 'gold')
})

test('the conformance kit works with nock in place of its own server', async (t) => {
  nock.disableNetConnect()
  t.teardown(() => nock.enableNetConnect())
  const report = await channelConformance(t, plugin, {
    root: new URL('../../', import.meta.url),
    config: settings,
    invalidConfig: [{ config: {}, path: '/secret' }],
    requests: { text: { body: body(message()), types: ['message'] } },
    upstream: () => nockUpstream(nock, 'https://crm.example.test', () => ({ status: 204 })),
    record: false,
    skip: { O3: 'nock hands over no headers, and the key is one' },
  })
  t.same(report.failed, [])
  t.equal(report.grade, 'silver', 'an exempted check costs gold')
})

test('a message comes in as it was described', async (t) => {
  const full = message({
    thread: { id: 't1', kind: 'group', title: 'Friends' },
    sender: {
      ...person,
      identifiers: [
        { kind: 'email', value: 'a@x.test' },
        { kind: 'account', value: '7', assurance: 'verified' },
      ],
      profile: { language: 'de', attributes: { vip: true, odd: {} } },
    },
    replyTo: ['m0', ''],
    messageId: 'n1',
    subject: 'Hi',
    automatic: true,
  })
  t.same(read(full), [
    {
      type: 'message',
      id: 'm1',
      at: testEpoch,
      thread: { id: 't1', kind: 'group', title: 'Friends' },
      sender: {
        id: 'u1',
        name: 'Ada',
        identifiers: [
          { kind: 'email', value: 'a@x.test', assurance: 'claimed' },
          { kind: 'account', value: '7', assurance: 'verified' },
        ],
        profile: { language: 'de', attributes: { vip: true } },
      },
      text: 'Hello',
      messageId: 'n1',
      subject: 'Hi',
      replyTo: ['m0'],
      automatic: true,
    },
  ])
})

test('an identifier is verified only when the other system says so in that very word', async (t) => {
  for (const assurance of [undefined, 'claimed', 'Verified', true, 1, null]) {
    const [event] = read(
      message({ sender: { id: 'u', identifiers: [{ kind: 'email', value: 'a@x.test', assurance }] } }),
    )
    t.match(event, { sender: { identifiers: [{ assurance: 'claimed' }] } }, String(assurance))
  }
  t.match(read(message({ sender: { id: 'u', assurance: 'claimed' } })), [{ sender: { assurance: 'claimed' } }])
})

test('an event that does not fit is kept with a note, and named in the answer', async (t) => {
  const wrong: readonly (readonly [object, RegExp])[] = [
    [message({ thread: {} }), /thread\.id/],
    [message({ sender: {} }), /sender\.id/],
    [message({ text: '' }), /text or parts/],
    [message({ parts: [{ type: 'hologram' }] }), /parts\[0\]\.type/],
    [message({ parts: [{ type: 'image', media: { url: 'file:///etc/passwd' } }] }), /parts\[0\]\.media\.url/],
    [message({ at: '2026-01-05T12:00:00' }), /time zone/],
    [message({ at: 'yesterday' }), /time zone/],
    [message({ sender: { id: 'u', identifiers: [{ kind: 'email' }] } }), /identifiers\[0\]/],
    [{ id: 'x', type: 'receipt', target: 'p', status: 'seen' }, /status/],
    [{ id: 'x', type: 'receipt', target: 'p', status: 'read', watermark: true }, /watermark/],
    [{ id: 'x', type: 'consent', sender: person, granted: 'yes' }, /granted/],
    [{ id: 'x', type: 'dance' }, /type/],
  ]
  for (const [event, note] of wrong) t.match(read(event), [{ type: 'unknown', note }])
  const { context } = createTestContext({ kind: 'channel', config: settingsOf(plugin, settings) })
  const { webhook } = await plugin.setup(context)
  const events = read(message(), { id: 'x', type: 'dance' })
  t.match(typeof webhook?.reply === 'function' && webhook.reply(events), {
    status: 200,
    body: { received: 2, problems: [{ id: 'x', problem: /type/ }] },
  })
})

test('a body of another shape is parked as a whole', async (t) => {
  for (const odd of ['null', '[]', '{}', '{"events":{}}', 'text', ''])
    t.throws(() => parse(rawRequest({ body: odd })), /events|JSON/)
  t.throws(() => read(...Array.from({ length: 1001 }, (_, i) => message({}, String(i)))), /1000 events/)
})

test('no event built from known keys and odd values makes parse throw or yield a bad event', async (t) => {
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constantFrom(null, true, '', 'message', 'receipt', 'image', 'read', '\u0000', 'https://x.test', at),
  )
  const keys = [
    'id',
    'type',
    'at',
    'thread',
    'sender',
    'text',
    'parts',
    'media',
    'url',
    'identifiers',
    'kind',
    'value',
    'target',
    'status',
    'choices',
    'label',
    'cards',
    'title',
    'replyTo',
    'profile',
    'attributes',
    'emoji',
    'granted',
    'error',
    'code',
    '__proto__',
    'constructor',
  ]
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('tree'), { maxKeys: 8 }),
    ),
  }))
  const types = fc.constantFrom(
    'message',
    'edit',
    'delete',
    'reaction',
    'receipt',
    'action',
    'typing',
    'read',
    'consent',
    'profile',
  )
  fc.assert(
    fc.property(fc.array(tree), tree, types, (many, content, type) => {
      const shaped =
        typeof content === 'object' && content !== null
          ? { id: 'x', thread: { id: 't' }, sender: { id: 's' }, ...content, type }
          : content
      return read(...many, shaped).every((event: InboundEvent) => eventIssues(event).length === 0)
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 generated requests')
})

async function setup(t: Test, changes: object = {}) {
  nock.disableNetConnect()
  t.teardown(() => {
    nock.cleanAll()
    nock.enableNetConnect()
  })
  const host = createTestContext({ kind: 'channel', config: settingsOf(plugin, { ...settings, ...changes }) })
  const channel = await plugin.setup(host.context)
  const send = (content: Part, extra: Parameters<typeof outboundPart>[1] = {}) =>
    channel.send(outboundPart(content, extra), control)
  return { host, channel, send }
}
const out = (status: number, answer: nock.Body = '', headers: Record<string, string> = {}) =>
  nock('https://crm.example.test')
    .post('/hooks/out')
    .reply(status, answer, { 'content-type': 'application/json', ...headers })

test('an answer is posted signed, with the part’s id as its key', async (t) => {
  const { send } = await setup(t)
  let verdict: unknown
  let posted: { type?: string; data?: Record<string, unknown> } = {}
  nock('https://crm.example.test')
    .post('/hooks/out')
    .reply(
      200,
      async function (_uri, json) {
        const headers = Object.fromEntries(
          Object.entries(this.req.headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
        )
        verdict = await standardWebhooks({ secret: settings.secret }).verify(
          rawRequest({ body: JSON.stringify(json), headers }),
        )
        posted = json as typeof posted
        t.equal(headers['webhook-id'], 'part-1')
        return { externalId: 'ext-9' }
      },
      { 'content-type': 'application/json' },
    )
  const part = { id: 'part-1', replyTo: 'm1', replyToken: 'token', subject: 'Re: Hi' }
  t.same(await send({ type: 'text', text: '**Hi**', format: 'markdown' }, { ...part, text: 'Hi' }), {
    externalId: 'ext-9',
  })
  t.equal(verdict, 'ok')
  t.match(posted, {
    type: 'message.send',
    data: {
      ...part,
      text: 'Hi',
      content: { type: 'text', text: '**Hi**' },
      thread: { id: 'thread-1' },
      author: { kind: 'agent', name: 'Ada' },
    },
  })
})

test('files of ours go out as links', async (t) => {
  const { send } = await setup(t)
  const bodies: unknown[] = []
  nock('https://crm.example.test')
    .post('/hooks/out', (json) => Boolean(bodies.push(json)))
    .times(2)
    .reply(204)
  const { externalId } = await send({ type: 'file', media: { file: 'test/abc', name: 'a.pdf' } }, { id: 'part-2' })
  t.equal(externalId, 'part-2', 'without an id of its own the part’s id is the network’s')
  await send({ type: 'carousel', cards: [{ title: 'A', image: { file: 'test/abc' } }] })
  t.match(bodies, [
    { data: { content: { media: { url: 'https://support.example.test/files/test/abc/a.pdf', file: undefined } } } },
    { data: { content: { cards: [{ image: { url: 'https://support.example.test/files/test/abc' } }] } } },
  ])
})

test('what the other system answers becomes the contract’s codes', async (t) => {
  const { send } = await setup(t)
  const cases: readonly (readonly [number, nock.Body, string])[] = [
    [410, '', 'config'],
    [422, { error: { code: 'recipient', message: 'No such customer' } }, 'recipient'],
    [422, { error: { code: 'window_closed' } }, 'window_closed'],
    [422, { error: { code: 'auth' } }, 'permanent'],
    [500, { error: { code: 'recipient' } }, 'retryable'],
    [401, '', 'auth'],
    [404, '', 'permanent'],
  ]
  for (const [status, answer, expected] of cases) {
    out(status, answer)
    const error: unknown = await send({ type: 'text', text: 'x' }).catch((e: unknown) => e)
    t.equal(isPluginError(error) && error.code, expected, `${status} ${JSON.stringify(answer)} → ${expected}`)
    if (expected === 'recipient') t.equal(isPluginError(error) && error.userMessage, 'No such customer')
  }
  out(200, 'not json at all')
  t.match(await send({ type: 'text', text: 'x' }, { id: 'part-3' }), { externalId: 'part-3' })
  out(200, { status: 'delivered', externalId: 7 })
  t.same(await send({ type: 'text', text: 'x' }), { externalId: '7', status: 'delivered' })
})

test('edits and removals name the message meant; check pings', async (t) => {
  const { channel, host } = await setup(t)
  const bodies: unknown[] = []
  nock('https://crm.example.test')
    .post('/hooks/out', (json) => Boolean(bodies.push(json)))
    .times(3)
    .reply(204)
  const ref = { externalId: 'ext-1', thread: { id: 't1' } }
  await channel.edit?.(ref, outboundPart({ type: 'text', text: 'b' }), control)
  await channel.remove?.(ref, control)
  t.match(await plugin.check?.(host.context), { ok: true, account: 'crm.example.test' })
  t.match(bodies, [
    { type: 'message.edit', data: { target: 'ext-1', text: 'b' } },
    { type: 'message.remove', data: { target: 'ext-1', thread: { id: 't1' } } },
    { type: 'ping' },
  ])
  out(410)
  t.match(await plugin.check?.(host.context), { ok: false, detail: /config/ })
})

test('both secrets are accepted while one is being changed', async (t) => {
  const { channel } = await setup(t, { previousSecret: 'the secret from before' })
  const raw = rawRequest({ body: body(message()) }).body
  const signed = (secret: string) =>
    rawRequest({ body: raw, headers: standardWebhooks({ secret }).sign?.({ body: raw, url: '', at: testEpoch }) ?? {} })
  t.equal(await channel.webhook?.verify.verify(signed(settings.secret)), 'ok')
  t.equal(await channel.webhook?.verify.verify(signed('the secret from before')), 'ok')
  t.equal(await channel.webhook?.verify.verify(signed('somebody else’s secret')), 'invalid')
})
