import nock from 'nock'
import { test } from 'tap'
import type { Test } from 'tap'
import { isPluginError } from '@throughline/plugin-sdk'
import type { Part } from '@throughline/plugin-sdk'
import { createTestContext, outboundPart, rawRequest, settingsOf, sharedSamples } from '@throughline/plugin-sdk/testing'
import plugin from '../src/index.js'
import { ruleOf } from '../src/errors.js'
import { ada, phoneNumberId, settings } from './samples.js'

const origin = 'https://graph.facebook.com'
const control = { signal: new AbortController().signal, attempt: 1 }
const sent = {
  messaging_product: 'whatsapp',
  contacts: [{ input: ada.wa_id, wa_id: ada.wa_id }],
  messages: [{ id: 'wamid.OUT' }],
}

async function setup(t: Test) {
  nock.disableNetConnect()
  t.teardown(() => {
    nock.cleanAll()
    nock.enableNetConnect()
  })
  const host = createTestContext({ kind: 'channel', config: settingsOf(plugin, settings) })
  const channel = await plugin.setup(host.context)
  /** Sends one part and gives back the JSON that went over the wire. */
  const wire = async (content: Part, changes: Parameters<typeof outboundPart>[1] = {}) => {
    let json: Record<string, unknown> = {}
    const scope = nock(origin, { reqheaders: { authorization: `Bearer ${settings.accessToken}` } })
      .post(`/v25.0/${phoneNumberId}/messages`, (body: Record<string, unknown>) => Boolean((json = body)))
      .reply(200, sent)
    t.same(await channel.send(outboundPart(content, { thread: { id: ada.wa_id }, ...changes }), control), {
      externalId: 'wamid.OUT',
    })
    t.ok(scope.isDone())
    return json
  }
  return { host, channel, wire }
}

test('a text goes to the digits, with markup, quote and tracker', async (t) => {
  const { wire } = await setup(t)
  const json = await wire(
    { type: 'text', text: '**Hi** see [us](https://example.test)', format: 'markdown' },
    { id: 'part-1', replyTo: 'wamid.IN1' },
  )
  t.same(json, {
    messaging_product: 'whatsapp',
    recipient_type: 'individual',
    to: ada.wa_id,
    type: 'text',
    text: { body: '*Hi* see us (https://example.test)', preview_url: true },
    context: { message_id: 'wamid.IN1' },
    biz_opaque_callback_data: 'part-1',
  })
})

test('somebody without a number is addressed by the scoped id, a group by its own', async (t) => {
  const { wire } = await setup(t)
  t.match(await wire({ type: 'text', text: 'Hi' }, { thread: { id: 'DE.1000001' } }), {
    recipient: 'DE.1000001',
    to: undefined,
  })
  t.match(await wire({ type: 'text', text: 'Hi' }, { thread: { id: 'group:G1' } }), {
    recipient_type: 'group',
    to: 'G1',
  })
})

test('plain text stays literal', async (t) => {
  const { wire } = await setup(t)
  t.match(await wire({ type: 'text', text: '2 * 3 * 4 **' }), { text: { body: '2 * 3 * 4 **', preview_url: false } })
})

test('choices become buttons, a list or a link', async (t) => {
  const { wire } = await setup(t)
  const some = (n: number, label = 'Choice') =>
    Array.from({ length: n }, (_, i) => ({ label: `${label} ${i}`, value: `v${i}` }))
  t.match(await wire({ type: 'choices', text: 'Which?', choices: some(3) }), {
    type: 'interactive',
    interactive: {
      type: 'button',
      body: { text: 'Which?' },
      action: { buttons: [{ type: 'reply', reply: { id: 'v0', title: 'Choice 0' } }, {}, {}] },
    },
  })
  t.match(await wire({ type: 'choices', text: 'Which?', choices: some(10) }), {
    interactive: {
      type: 'list',
      action: { button: 'Choose', sections: [{ rows: [{ id: 'v0', title: 'Choice 0' }] }] },
    },
  })
  t.match(await wire({ type: 'choices', text: 'Read', choices: [{ label: 'Open', url: 'https://example.test' }] }), {
    interactive: { type: 'cta_url', action: { parameters: { display_text: 'Open', url: 'https://example.test' } } },
  })
})

test('long labels are cut between characters, and equal ones are told apart', async (t) => {
  const { wire } = await setup(t)
  const label = 'A very long label 👨‍👩‍👧‍👦 indeed'
  const json = await wire({
    type: 'choices',
    text: 'Which?',
    choices: [
      { label, value: '1' },
      { label, value: '2' },
    ],
  })
  const { buttons } = (json['interactive'] as { action: { buttons: { reply: { title: string } }[] } }).action
  const titles = buttons.map((button) => button.reply.title)
  t.equal(new Set(titles).size, 2)
  for (const title of titles) t.ok(title.length <= 20 && !/[\ud800-\udbff]$|\u200d…/.test(title), title)
})

test('choices WhatsApp cannot show are refused as unsupported, without a request', async (t) => {
  const { channel } = await setup(t)
  const many = Array.from({ length: 11 }, (_, i) => ({ label: String(i) }))
  for (const choices of [many, [], [{ label: 'a', value: 'x'.repeat(300) }]])
    await t.rejects(channel.send(outboundPart({ type: 'choices', text: '?', choices }), control), {
      code: 'unsupported',
    })
})

test('locations, contacts and templates have their own forms', async (t) => {
  const { wire } = await setup(t)
  t.match(await wire({ type: 'location', lat: 1.5, lon: 2.5, name: 'Shop' }), {
    type: 'location',
    location: { latitude: 1.5, longitude: 2.5, name: 'Shop' },
  })
  t.match(
    await wire({
      type: 'contact',
      name: 'Bob',
      identifiers: [
        { kind: 'phone', value: '+4930' },
        { kind: 'email', value: 'b@x.test' },
      ],
    }),
    {
      contacts: [{ name: { formatted_name: 'Bob' }, phones: [{ phone: '+4930' }], emails: [{ email: 'b@x.test' }] }],
    },
  )
  t.match(await wire({ type: 'template', name: 'hello', language: 'de', parameters: ['Ada'], text: 'Hallo Ada' }), {
    type: 'template',
    template: {
      name: 'hello',
      language: { code: 'de' },
      components: [{ type: 'body', parameters: [{ type: 'text', text: 'Ada' }] }],
    },
  })
})

test('a file of ours is uploaded once and then sent by its id; a link is sent as a link', async (t) => {
  const { host, wire } = await setup(t)
  const { key } = await host.files.put(new TextEncoder().encode('jpeg'), { mime: 'image/jpeg' })
  const upload = nock(origin)
    .post(`/v25.0/${phoneNumberId}/media`, /name="messaging_product"\r\n\r\nwhatsapp/)
    .reply(200, { id: 'M1' })
  t.match(await wire({ type: 'image', media: { file: key, mime: 'image/jpeg' }, caption: 'Look' }), {
    type: 'image',
    image: { id: 'M1', caption: 'Look' },
  })
  t.ok(upload.isDone())
  t.match(await wire({ type: 'image', media: { file: key, mime: 'image/jpeg' } }), { image: { id: 'M1' } })
  t.match(await wire({ type: 'file', media: { url: 'https://x.test/a.pdf', name: 'a.pdf' }, caption: 'c' }), {
    type: 'document',
    document: { link: 'https://x.test/a.pdf', filename: 'a.pdf', caption: 'c' },
  })
  t.match(await wire({ type: 'voice', media: { url: 'https://x.test/a.ogg' }, caption: 'dropped' }), {
    type: 'audio',
    audio: { link: 'https://x.test/a.ogg', caption: undefined },
  })
})

test('an upload Meta no longer accepts is made anew by the next try', async (t) => {
  const { host, channel, wire } = await setup(t)
  const { key } = await host.files.put(new TextEncoder().encode('jpeg'), { mime: 'image/jpeg' })
  const image = { type: 'image', media: { file: key, mime: 'image/jpeg' } } as const
  nock(origin).post(`/v25.0/${phoneNumberId}/media`).reply(200, { id: 'M1' })
  nock(origin)
    .post(/messages/)
    .reply(400, { error: { code: 131053 } })
  await t.rejects(channel.send(outboundPart(image), control), { code: 'unsupported' })
  nock(origin).post(`/v25.0/${phoneNumberId}/media`).reply(200, { id: 'M2' })
  t.match(await wire(image), { image: { id: 'M2' } })
})

test('attachments are fetched in two steps with the token and a User-Agent', async (t) => {
  const { channel } = await setup(t)
  const auth = { reqheaders: { authorization: `Bearer ${settings.accessToken}` } }
  nock(origin, auth)
    .get('/v25.0/900')
    .query({ phone_number_id: phoneNumberId })
    .reply(200, { url: 'https://lookaside.fbsbx.com/media?mid=900', mime_type: 'image/jpeg', file_size: 3 })
  nock('https://lookaside.fbsbx.com', { reqheaders: { ...auth.reqheaders, 'user-agent': /throughline/ } })
    .get('/media')
    .query({ mid: '900' })
    .reply(200, Buffer.from([1, 2, 3]))
  const media = await channel.fetchMedia?.({ id: '900', name: 'a.jpg' }, control)
  t.same(media && { ...media, bytes: [...media.bytes] }, { bytes: [1, 2, 3], mime: 'image/jpeg', name: 'a.jpg' })
})

test('a link to a foreign host never sees the token', async (t) => {
  const { channel } = await setup(t)
  const scope = nock('https://evil.example.test', { badheaders: ['authorization'] })
    .get('/x')
    .reply(200, 'x')
  await channel.fetchMedia?.({ url: 'https://evil.example.test/x' }, control)
  t.ok(scope.isDone())
  nock('https://gone.example.test').get('/x').reply(404)
  await t.rejects(async () => channel.fetchMedia?.({ url: 'https://gone.example.test/x' }, control), {
    code: 'permanent',
  })
})

test('reading marks the message, and typing shows on the message read last', async (t) => {
  const { channel } = await setup(t)
  const thread = { id: ada.wa_id }
  await channel.typing?.(thread, true, control)
  const calls: unknown[] = []
  nock(origin)
    .post(`/v25.0/${phoneNumberId}/messages`, (body) => Boolean(calls.push(body)))
    .times(2)
    .reply(200, { success: true })
  await channel.markRead?.(thread, { externalId: 'wamid.IN1', thread }, control)
  await channel.typing?.(thread, true, control)
  await channel.typing?.(thread, false, control)
  t.match(calls, [
    { status: 'read', message_id: 'wamid.IN1' },
    { status: 'read', message_id: 'wamid.IN1', typing_indicator: { type: 'text' } },
  ])
  t.equal(calls.length, 2, 'nothing is sent before a message is known, nor when typing ends')
})

test("the network's codes become the contract's codes", async (t) => {
  const { channel, host } = await setup(t)
  const cases: readonly (readonly [number, number, string])[] = [
    [400, 131047, 'window_closed'],
    [400, 131056, 'rate_limited'],
    [429, 130429, 'rate_limited'],
    [400, 80007, 'rate_limited'],
    [400, 4, 'rate_limited'],
    [401, 190, 'auth'],
    [403, 10, 'auth'],
    [403, 230, 'auth'],
    [400, 131026, 'recipient'],
    [400, 131050, 'recipient'],
    [500, 131000, 'retryable'],
    [400, 132001, 'permanent'],
    [400, 131051, 'unsupported'],
    [400, 131042, 'auth'],
    [400, 131049, 'permanent'],
    [400, 999999, 'permanent'],
    [503, 999999, 'retryable'],
  ]
  for (const [status, code, expected] of cases) {
    nock(origin)
      .post(/messages/)
      .reply(status, { error: { code, message: `to ${ada.wa_id} failed`, fbtrace_id: 'x' } })
    const error: unknown = await channel
      .send(outboundPart({ type: 'text', text: 'Hi' }), control)
      .catch((e: unknown) => e)
    t.equal(isPluginError(error) && error.code, expected, `${code} → ${expected}`)
    t.notOk(
      JSON.stringify(error).includes(ada.wa_id) || String(error).includes(ada.wa_id),
      'the number is not repeated',
    )
  }
  t.ok(
    host.health.some((health) => health.userAction !== undefined && health.code === 'whatsapp_131042'),
    'the operator is told what to do',
  )
})

test('the wait is the longer of what the network and the code ask for', async (t) => {
  const { channel } = await setup(t)
  nock(origin)
    .post(/messages/)
    .reply(429, { error: { code: 130429 } }, { 'retry-after': '20' })
  await t.rejects(channel.send(outboundPart({ type: 'text', text: 'Hi' }), control), {
    code: 'rate_limited',
    retryAfterMs: 20_000,
  })
})

test('a limit between the number and one customer holds up that customer only', async (t) => {
  const { channel } = await setup(t)
  for (const [code, scope] of [
    [131056, 'thread'],
    [130429, undefined],
  ]) {
    nock(origin)
      .post(/messages/)
      .reply(400, { error: { code } })
    const error: unknown = await channel
      .send(outboundPart({ type: 'text', text: 'Hi' }), control)
      .catch((e: unknown) => e)
    t.equal(isPluginError(error) ? error.scope : 'no plugin error', scope, `${code}`)
  }
})

test('an accepted message without an id is uncertain, never sent twice', async (t) => {
  const { channel } = await setup(t)
  for (const answer of ['{}', 'not json']) {
    nock(origin)
      .post(/messages/)
      .reply(200, answer)
    await t.rejects(channel.send(outboundPart({ type: 'text', text: 'Hi' }), control), { code: 'uncertain' })
  }
})

test('check names the account, and says no when the token is refused', async (t) => {
  const { host } = await setup(t)
  nock(origin)
    .get(`/v25.0/${phoneNumberId}`)
    .query(true)
    .reply(200, { display_phone_number: '+49 30 0', verified_name: 'Shop', quality_rating: 'GREEN' })
  t.same(await plugin.check?.(host.context), { ok: true, account: '+49 30 0 Shop', detail: 'quality GREEN' })
  nock(origin)
    .get(`/v25.0/${phoneNumberId}`)
    .query(true)
    .reply(401, { error: { code: 190 } })
  t.same(await plugin.check?.(host.context), { ok: false, detail: 'auth, WhatsApp code 190' })
})

test('a conversation can be opened with a phone number or a scoped id', async (t) => {
  const { channel } = await setup(t)
  t.same(await channel.open?.({ id: 'x', identifiers: [{ kind: 'phone', value: '+49 151 1' }] }, control), {
    id: '491511',
  })
  t.same(await channel.open?.({ id: 'x', identifiers: [{ kind: 'whatsapp-user', value: 'DE.1' }] }, control), {
    id: 'DE.1',
  })
  await t.rejects(async () => channel.open?.({ id: 'x' }, control), { code: 'recipient' })
})

test('the previous app secret is still accepted, another installation’s is not', async (t) => {
  const build = async (extra: object) => {
    const { context } = createTestContext({ kind: 'channel', config: settingsOf(plugin, { ...settings, ...extra }) })
    return (await plugin.setup(context)).webhook
  }
  const at = 0
  const body = rawRequest({ body: '{}' }).body
  const old = (await build({ appSecret: 'the-old-secret' }))?.verify.sign?.({ body, url: '', at }) ?? {}
  const request = rawRequest({ body: '{}', headers: old })
  t.equal(await (await build({ appSecret: 'new', previousAppSecret: 'the-old-secret' }))?.verify.verify(request), 'ok')
  t.equal(await (await build({ appSecret: 'new' }))?.verify.verify(request), 'invalid')
})

test('the published signature samples verify', async (t) => {
  const { files, missing } = sharedSamples('vectors', 'signatures', 'meta-sha256.json')
  if (missing !== undefined) return void t.pass(`skipped: ${missing}`)
  const vectors = JSON.parse(Buffer.from(files[0]?.bytes ?? []).toString()) as {
    secret: string
    body: string
    signature: string
    valid: boolean
    header: string
  }[]
  for (const { secret, body, signature, valid, header } of vectors) {
    const { context } = createTestContext({
      kind: 'channel',
      config: settingsOf(plugin, { ...settings, appSecret: secret }),
    })
    const { webhook } = await plugin.setup(context)
    t.equal(
      await webhook?.verify.verify(rawRequest({ body, headers: { [header]: signature } })),
      valid ? 'ok' : 'invalid',
    )
  }
})

test('every code of the published error classes has the right treatment', async (t) => {
  const { files, missing } = sharedSamples('vectors', '_error_classes.json')
  if (missing !== undefined) return void t.pass(`skipped: ${missing}`)
  const classes = (
    JSON.parse(Buffer.from(files[0]?.bytes ?? []).toString()) as { whatsapp: Record<string, (number | string)[]> }
  ).whatsapp
  const expected: Readonly<Record<string, readonly string[]>> = {
    throttle: ['rate_limited'],
    // 131049 is one customer's own limit: waiting would stop everybody else's answers.
    throttle_slow: ['rate_limited', 'permanent'],
    retry: ['retryable'],
    window: ['window_closed'],
    optout: ['recipient'],
    recipient: ['recipient'],
    content: ['permanent', 'unsupported'],
    auth: ['auth'],
    policy: ['auth'],
  }
  for (const [name, codes] of Object.entries(classes))
    for (const code of codes) {
      const number = typeof code === 'number' ? code : Number(code.split('-')[0])
      t.ok(expected[name]?.includes(ruleOf(number)?.code ?? 'none'), `${code} (${name})`)
    }
})
