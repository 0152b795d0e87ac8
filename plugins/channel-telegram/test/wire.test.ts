import nock from 'nock'
import { test } from 'tap'
import type { Test } from 'tap'
import { isPluginError } from '@throughline/plugin-sdk'
import type { Part } from '@throughline/plugin-sdk'
import { createTestContext, outboundPart, rawRequest, settingsOf, sharedSamples } from '@throughline/plugin-sdk/testing'
import { toHtml } from '../src/html.js'
import plugin from '../src/index.js'
import { chat, date, pressed, settings, update } from './samples.js'

const origin = 'https://api.telegram.org'
const path = (method: string) => `/bot${settings.botToken}/${method}`
const control = { signal: new AbortController().signal, attempt: 1 }
const sent = { ok: true, result: { message_id: 55, chat, date } }
const refused = (description: string, parameters?: object) => ({
  ok: false,
  error_code: 400,
  description: `Bad Request: ${description}`,
  parameters,
})

async function setup(t: Test, changes: Record<string, unknown> = {}) {
  nock.disableNetConnect()
  t.teardown(() => {
    nock.cleanAll()
    nock.enableNetConnect()
  })
  const host = createTestContext({ kind: 'channel', config: settingsOf(plugin, { ...settings, ...changes }) })
  const channel = await plugin.setup(host.context)
  const part = (content: Part, extra: Parameters<typeof outboundPart>[1] = {}) =>
    outboundPart(content, { thread: { id: '7001' }, ...extra })
  /** Sends one part, expects one call of the method, and gives back its JSON. */
  const wire = async (method: string, content: Part, extra: Parameters<typeof outboundPart>[1] = {}) => {
    let json: Record<string, unknown> = {}
    nock(origin)
      .post(path(method), (body: Record<string, unknown>) => Boolean((json = body)))
      .reply(200, sent)
    t.same(await channel.send(part(content, extra), control), { externalId: '7001:55' })
    return json
  }
  return { host, channel, part, wire }
}

test('text goes out as HTML made from markdown, or literally', async (t) => {
  const { wire } = await setup(t)
  t.same(
    await wire(
      'sendMessage',
      { type: 'text', text: '**Hi** <you> & [us](https://x.test/?a=1&b="2")', format: 'markdown' },
      { replyTo: '7001:12' },
    ),
    {
      chat_id: '7001',
      text: '<b>Hi</b> &lt;you&gt; &amp; <a href="https://x.test/?a=1&amp;b=&quot;2&quot;">us</a>',
      parse_mode: 'HTML',
      reply_parameters: { message_id: 12, allow_sending_without_reply: true },
    },
  )
  t.same(await wire('sendMessage', { type: 'text', text: '<b> & **' }), { chat_id: '7001', text: '<b> & **' })
})

test('topics and business chats are addressed as they came', async (t) => {
  const { wire } = await setup(t)
  t.match(await wire('sendMessage', { type: 'text', text: 'x' }, { thread: { id: '-100500/4' } }), {
    chat_id: '-100500',
    message_thread_id: 4,
  })
  t.match(await wire('sendMessage', { type: 'text', text: 'x' }, { thread: { id: 'business:B:1:7001' } }), {
    chat_id: '7001',
    business_connection_id: 'B:1',
  })
})

test('markup Telegram cannot read is sent again as plain text, once', async (t) => {
  const { channel, part, host } = await setup(t)
  const bodies: Record<string, unknown>[] = []
  const record = (body: Record<string, unknown>) => Boolean(bodies.push(body))
  nock(origin).post(path('sendMessage'), record).reply(400, refused("can't parse entities: Unsupported start tag"))
  nock(origin).post(path('sendMessage'), record).reply(200, sent)
  const content = { type: 'text', text: '**Hi**', format: 'markdown' } as const
  t.match(await channel.send(part(content, { text: 'Hi' }), control), { externalId: '7001:55' })
  t.match(bodies, [{ parse_mode: 'HTML' }, { text: 'Hi', parse_mode: undefined }])
  t.equal(host.counts['markup_refused'], 1)
  nock(origin).post(path('sendMessage')).times(2).reply(400, refused("can't parse entities"))
  await t.rejects(channel.send(part(content, { text: 'Hi' }), control), { code: 'unsupported' })
})

test('a group that moved gets the message at its new id, now and later', async (t) => {
  const { channel, part, host } = await setup(t)
  const chats: unknown[] = []
  const record = (body: Record<string, unknown>) => Boolean(chats.push(body['chat_id']))
  nock(origin)
    .post(path('sendMessage'), record)
    .reply(400, refused('group chat was upgraded to a supergroup chat', { migrate_to_chat_id: -100777 }))
  nock(origin)
    .post(path('sendMessage'), record)
    .times(2)
    .reply(200, { ok: true, result: { message_id: 1, chat: { id: -100777 } } })
  const group = { thread: { id: '-5' } }
  t.match(await channel.send(part({ type: 'text', text: 'a' }, group), control), { externalId: '-100777:1' })
  await channel.send(part({ type: 'text', text: 'b' }, group), control)
  t.same(chats, ['-5', '-100777', '-100777'])
  t.match(host.accepted, [{ type: 'unknown', thread: { id: '-5' } }], 'and the move is kept in the inbox')
})

test('choices become buttons; a value too long for Telegram is refused without a request', async (t) => {
  const { wire, channel, part } = await setup(t)
  t.match(
    await wire('sendMessage', {
      type: 'choices',
      text: 'Which?',
      choices: [{ label: 'Yes', value: 'y' }, { label: 'Site', url: 'https://x.test' }, { label: 'No' }],
    }),
    {
      reply_markup: {
        inline_keyboard: [
          [{ text: 'Yes', callback_data: 'y' }],
          [{ text: 'Site', url: 'https://x.test' }],
          [{ text: 'No', callback_data: 'No' }],
        ],
      },
    },
  )
  for (const value of ['x'.repeat(65), 'ü'.repeat(33), ''])
    await t.rejects(channel.send(part({ type: 'choices', text: '?', choices: [{ label: 'a', value }] }), control), {
      code: 'unsupported',
    })
})

test('media go by link or as a file with their caption', async (t) => {
  const { wire, host, channel, part } = await setup(t)
  t.match(await wire('sendPhoto', { type: 'image', media: { url: 'https://x.test/a.png' }, caption: 'Look' }), {
    photo: 'https://x.test/a.png',
    caption: 'Look',
  })
  const { key } = await host.files.put(new TextEncoder().encode('%PDF'), { mime: 'application/pdf' })
  const scope = nock(origin)
    .post(path('sendDocument'), /name="document"; filename="a.pdf"[\s\S]*%PDF/)
    .reply(200, sent)
  await channel.send(
    part({ type: 'file', media: { file: key, name: 'a.pdf', mime: 'application/pdf' } }, { replyTo: '7001:3' }),
    control,
  )
  t.ok(scope.isDone())
  await t.rejects(channel.send(part({ type: 'file', media: { file: 'gone' } }), control), { code: 'permanent' })
})

test('places and contacts have their own calls', async (t) => {
  const { wire } = await setup(t)
  t.match(await wire('sendLocation', { type: 'location', lat: 1, lon: 2 }), { latitude: 1, longitude: 2 })
  t.match(await wire('sendVenue', { type: 'location', lat: 1, lon: 2, name: 'Shop', address: 'S 1' }), {
    title: 'Shop',
    address: 'S 1',
  })
  t.match(
    await wire('sendContact', { type: 'contact', name: 'Bob', identifiers: [{ kind: 'phone', value: '+4930' }] }),
    { phone_number: '+4930', first_name: 'Bob' },
  )
})

test('edits, deletions and reactions; what is done already is no failure', async (t) => {
  const { channel, part } = await setup(t)
  const ref = { externalId: '7001:55', thread: { id: '7001' } }
  const calls: unknown[] = []
  const record = (body: unknown) => Boolean(calls.push(body))
  nock(origin).post(path('editMessageText'), record).reply(200, sent)
  nock(origin).post(path('editMessageText')).reply(400, refused('message is not modified'))
  nock(origin).post(path('deleteMessage'), record).reply(400, refused('message to delete not found'))
  nock(origin).post(path('setMessageReaction'), record).times(2).reply(200, { ok: true, result: true })
  nock(origin).post(path('sendChatAction'), record).reply(200, { ok: true, result: true })
  await channel.edit?.(ref, part({ type: 'text', text: '**b**', format: 'markdown' }), control)
  await channel.edit?.(ref, part({ type: 'text', text: 'b' }), control)
  await channel.remove?.(ref, control)
  await channel.react?.(ref, '👍', control)
  await channel.react?.(ref, null, control)
  await channel.typing?.({ id: '7001' }, true, control)
  await channel.typing?.({ id: '7001' }, false, control)
  t.match(calls, [
    { chat_id: '7001', message_id: 55, text: '<b>b</b>', parse_mode: 'HTML' },
    { message_id: 55 },
    { reaction: [{ type: 'emoji', emoji: '👍' }] },
    { reaction: [] },
    { action: 'typing' },
  ])
  t.ok(nock.isDone())
})

test("Telegram's refusals become the contract's codes", async (t) => {
  const { channel, part } = await setup(t)
  const cases: readonly (readonly [number, object, string])[] = [
    [429, { ok: false, error_code: 429, parameters: { retry_after: 14 } }, 'rate_limited'],
    [403, { ok: false, description: 'Forbidden: bot was blocked by the user' }, 'recipient'],
    [403, { ok: false, description: 'Forbidden: user is deactivated' }, 'recipient'],
    [400, refused('chat not found'), 'recipient'],
    [400, refused('message is too long'), 'permanent'],
    [400, refused('wrong file identifier/HTTP URL specified'), 'unsupported'],
    [401, { ok: false, description: 'Unauthorized' }, 'auth'],
    [404, { ok: false, description: 'Not Found' }, 'auth'],
    [502, {}, 'retryable'],
  ]
  for (const [status, body, expected] of cases) {
    nock(origin)
      .post(path('sendMessage'))
      .reply(status, body as nock.Body)
    const error: unknown = await channel.send(part({ type: 'text', text: 'x' }), control).catch((e: unknown) => e)
    t.equal(
      isPluginError(error) && error.code,
      expected,
      `${status} ${JSON.stringify(body).slice(0, 60)} → ${expected}`,
    )
    if (status === 429) t.equal(isPluginError(error) && error.retryAfterMs, 14_000)
    t.notOk(`${String(error)} ${JSON.stringify(error)}`.includes(settings.botToken), 'the token is not repeated')
  }
})

test('attachments are fetched by their path, and the address is not repeated in errors', async (t) => {
  const { channel } = await setup(t)
  nock(origin)
    .post(path('getFile'), { file_id: 'F1' })
    .times(2)
    .reply(200, { ok: true, result: { file_path: 'photos/file 1.jpg' } })
  nock(origin)
    .get(`/file/bot${settings.botToken}/photos/file%201.jpg`)
    .reply(200, Buffer.from([1, 2]))
  const media = await channel.fetchMedia?.({ id: 'F1' }, control)
  t.same([...(media?.bytes ?? [])], [1, 2])
  t.equal(media?.name, 'file 1.jpg')
  nock(origin).get(/file/).reply(404)
  const error: unknown = await channel.fetchMedia?.({ id: 'F1' }, control).catch((e: unknown) => e)
  t.match(error, { code: 'permanent' })
  t.notOk(`${String(error)} ${JSON.stringify(error)}`.includes(settings.botToken))
})

test('polling asks from the stored place and moves it only after the inbox has the events', async (t) => {
  const { host, channel } = await setup(t, { mode: 'polling' })
  const controller = new AbortController()
  const asked: Record<string, unknown>[] = []
  const updates = [update({ text: 'a', message_id: 1 }, 10), update({ text: 'b', message_id: 2 }, 11)]
  const poll = (result: unknown) =>
    nock(origin)
      .post(path('getUpdates'), (body: Record<string, unknown>) => Boolean(asked.push(body)))
      .reply(200, { ok: true, result })
  poll(updates)
  host.refuseInbox(1)
  let ready = 0
  const run = () => channel.connect?.(controller.signal, () => void (ready += 1))
  await t.rejects(async () => run(), { message: 'the inbox is away' })
  t.equal(await host.state.get('offset'), null, 'nothing was stored, so the place did not move')
  poll(updates)
  nock(origin)
    .post(path('getUpdates'), (body: Record<string, unknown>) => Boolean(asked.push(body)))
    .reply(200, () => {
      controller.abort()
      return { ok: true, result: [] }
    })
  await run()
  t.same(
    host.accepted.map((event) => event.id),
    ['7001:1', '7001:2'],
  )
  t.equal(await host.state.get('offset'), 12)
  t.same(
    asked.map((body) => [body['offset'], body['timeout']]),
    [
      [undefined, 0],
      [undefined, 0],
      [12, 50],
    ],
  )
  t.ok(ready >= 1)
})

test('a pressed button is answered, by polling and by webhook', async (t) => {
  const { channel: webhook } = await setup(t)
  const events = webhook.webhook?.parse(rawRequest({ body: { update_id: 1, callback_query: pressed } })) ?? []
  const reply = webhook.webhook?.reply
  t.match(typeof reply === 'function' ? reply(events) : reply, {
    body: { method: 'answerCallbackQuery', callback_query_id: 'Q1' },
  })
  t.match(typeof reply === 'function' ? reply([]) : reply, { status: 200, body: undefined })
  const { channel } = await setup(t, { mode: 'polling' })
  const controller = new AbortController()
  nock(origin)
    .post(path('getUpdates'))
    .reply(200, { ok: true, result: [{ update_id: 1, callback_query: pressed }] })
  const scope = nock(origin)
    .post(path('answerCallbackQuery'), { callback_query_id: 'Q1' })
    .reply(200, () => {
      controller.abort()
      return { ok: true, result: true }
    })
  await channel.connect?.(controller.signal, () => undefined)
  t.ok(scope.isDone())
})

test('a second program polling the same bot is a mistake of configuration, with what to do', async (t) => {
  const { channel, host } = await setup(t, { mode: 'polling' })
  nock(origin)
    .post(path('getUpdates'))
    .reply(409, { ok: false, error_code: 409, description: 'Conflict: terminated by other getUpdates request' })
  await t.rejects(async () => channel.connect?.(new AbortController().signal, () => undefined), {
    code: 'config',
    message: /other program/,
  })
  t.match(host.health.at(-1), { status: 'down', userAction: /Stop the other program/ })
})

test('start registers the webhook only when asked to', async (t) => {
  const { channel } = await setup(t)
  await channel.start?.()
  const { channel: registering } = await setup(t, { registerWebhook: true })
  const scope = nock(origin)
    .post(
      path('setWebhook'),
      (body: Record<string, unknown>) =>
        body['url'] === 'https://support.example.test/channels/test/webhook' &&
        body['secret_token'] === settings.secretToken,
    )
    .reply(200, { ok: true, result: true })
  await registering.start?.()
  t.ok(scope.isDone())
})

test('mode webhook without a secret is refused: nothing unsigned enters', async (t) => {
  const { context } = createTestContext({
    kind: 'channel',
    config: settingsOf(plugin, { botToken: settings.botToken }),
  })
  t.throws(() => plugin.setup(context), { code: 'config', message: /secretToken/ })
})

test('check knows the account and whether Telegram calls us', async (t) => {
  const { host } = await setup(t)
  const me = () =>
    nock(origin)
      .post(path('getMe'))
      .reply(200, { ok: true, result: { username: 'shop_bot' } })
  const info = (url: string) => nock(origin).post(path('getWebhookInfo')).reply(200, { ok: true, result: { url } })
  me()
  info('https://support.example.test/channels/test/webhook')
  t.same(await plugin.check?.(host.context), { ok: true, account: '@shop_bot' })
  me()
  info('https://elsewhere.example.test')
  t.match(await plugin.check?.(host.context), { ok: false, detail: /does not call/ })
  nock(origin).post(path('getMe')).reply(401, { ok: false })
  t.match(await plugin.check?.(host.context), { ok: false, detail: 'Telegram does not know this token' })
})

test('markdown in HTML agrees with the published samples where we chose the same', async (t) => {
  const { files, missing } = sharedSamples('vectors', 'markdown', 'telegram_html.json')
  if (missing !== undefined) return void t.pass(`skipped: ${missing}`)
  const vectors = JSON.parse(Buffer.from(files[0]?.bytes ?? []).toString()) as {
    name: string
    input: string
    expected: string
  }[]
  const inlineOnly = vectors.filter(({ input }) => /^(\*\*|_|~~|`)[\w ]+(\*\*|_|~~|`)$/.test(input))
  const ours = (html: string) => html.replaceAll('strong>', 'b>').replaceAll('em>', 'i>')
  t.ok(inlineOnly.length > 2)
  for (const { name, input, expected } of inlineOnly) t.equal(toHtml(input), ours(expected), name)
})
