import fc from 'fast-check'
import { test } from 'tap'
import type { InboundEvent } from '@throughline/plugin-sdk'
import { eventIssues, rawRequest, sharedSamples, testEpoch } from '@throughline/plugin-sdk/testing'
import { parse } from '../src/parse.js'
import { ada, body, echo, from, message, phoneNumberId, status, text } from './samples.js'

const read = (payload: unknown, number = phoneNumberId) => parse(rawRequest({ body: payload }), number)
const only = (payload: unknown) => {
  const events = read(payload)
  if (events.length !== 1 || events[0] === undefined) throw new Error(`${events.length} events`)
  return events[0]
}
const shared = sharedSamples('fixtures', 'whatsapp')

test('a text message has the sender with both ids, and the time in milliseconds', async (t) => {
  t.same(only(text('Hello')), {
    type: 'message',
    id: 'wamid.IN1',
    at: 1767614400000,
    thread: { id: '491510000001', kind: 'direct' },
    sender: {
      id: 'DE.1000001',
      name: 'Ada',
      identifiers: [
        { kind: 'phone', value: '+491510000001' },
        { kind: 'whatsapp-user', value: 'DE.1000001' },
      ],
    },
    text: 'Hello',
  })
})

test('a customer with a username and no number is known by the scoped id', async (t) => {
  const event = only(
    body({
      contacts: [{ profile: { name: 'Ada', username: 'ada_x' }, user_id: 'DE.1000001' }],
      messages: [
        { id: 'wamid.U', from_user_id: 'DE.1000001', timestamp: '1767614400', type: 'text', text: { body: 'Hi' } },
      ],
    }),
  )
  t.match(event, {
    type: 'message',
    thread: { id: 'DE.1000001' },
    sender: { id: 'DE.1000001', profile: { attributes: { username: 'ada_x' } } },
  })
  t.same(event.type === 'message' && event.sender.identifiers, [{ kind: 'whatsapp-user', value: 'DE.1000001' }])
})

test('a scoped id in `from` is not taken for a phone number', async (t) => {
  const event = only(body({ messages: [message({ from: 'DE.777', type: 'text', text: { body: 'Hi' } })] }))
  t.same(event.type === 'message' && event.sender.identifiers, [{ kind: 'whatsapp-user', value: 'DE.777' }])
})

test('a contact with other ids lends nothing to the sender', async (t) => {
  const stranger = { profile: { name: 'Mallory' }, wa_id: '491519999999', user_id: 'DE.9' }
  const event = only(body({ contacts: [stranger], messages: [message({ type: 'text', text: { body: 'Hi' } })] }))
  t.same(event.type === 'message' && event.sender, {
    id: '491510000001',
    identifiers: [{ kind: 'phone', value: '+491510000001' }],
  })
})

test('messages of every kind become parts, actions and changes', async (t) => {
  const cases: readonly (readonly [object, Partial<InboundEvent> | object])[] = [
    [
      { type: 'image', image: { id: '9', mime_type: 'image/jpeg', caption: 'c' } },
      { parts: [{ type: 'image', media: { id: '9', mime: 'image/jpeg' }, caption: 'c' }] },
    ],
    [{ type: 'audio', audio: { id: '9', voice: true } }, { parts: [{ type: 'voice', media: { id: '9' } }] }],
    [{ type: 'audio', audio: { id: '9' } }, { parts: [{ type: 'audio' }] }],
    [
      { type: 'document', document: { id: '9', filename: 'a.pdf' } },
      { parts: [{ type: 'file', media: { name: 'a.pdf' } }] },
    ],
    [{ type: 'sticker', sticker: { id: '9' } }, { parts: [{ type: 'sticker' }] }],
    [
      { type: 'video', video: { url: 'https://lookaside.example.test/x' } },
      { parts: [{ type: 'video', media: { url: 'https://lookaside.example.test/x' } }] },
    ],
    [
      { type: 'button', button: { payload: 'yes', text: 'Yes' }, context: { id: 'wamid.O' } },
      { type: 'action', value: 'yes', label: 'Yes', target: 'wamid.O' },
    ],
    [
      { type: 'interactive', interactive: { type: 'list_reply', list_reply: { id: 'r1', title: 'One' } } },
      { type: 'action', value: 'r1', label: 'One' },
    ],
    [
      {
        type: 'interactive',
        interactive: {
          type: 'nfm_reply',
          nfm_reply: { name: 'flow', body: 'Sent', response_json: '{"flow_token":"t","size":"L"}' },
        },
      },
      { text: 'flow: Sent\nsize: L' },
    ],
    [
      { type: 'interactive', interactive: { type: 'nfm_reply', nfm_reply: { response_json: 'not json' } } },
      { text: 'Form\nnot json' },
    ],
    [{ type: 'interactive' }, { parts: [{ type: 'unsupported', note: 'WhatsApp message of type interactive' }] }],
    [
      { type: 'unsupported', errors: [{ code: 131051, title: 'Message type unknown' }] },
      { parts: [{ type: 'unsupported', note: 'WhatsApp message of type unsupported (Message type unknown)' }] },
    ],
    [
      { type: 'hologram', hologram: {} },
      { parts: [{ type: 'unsupported', note: 'WhatsApp message of type hologram' }] },
    ],
    [{ type: 'image', image: {} }, { parts: [{ type: 'unsupported' }] }],
    [
      { type: 'reaction', reaction: { message_id: 'wamid.O', emoji: '😮' } },
      { type: 'reaction', target: 'wamid.O', emoji: '😮' },
    ],
    [
      { type: 'reaction', reaction: { message_id: 'wamid.O', emoji: '' } },
      { type: 'reaction', emoji: null },
    ],
    [
      { type: 'reaction', reaction: { message_id: 'wamid.O' } },
      { type: 'reaction', emoji: null },
    ],
    [
      { type: 'edit', edit: { original_message_id: 'wamid.1', message: { type: 'image', image: { caption: 'new' } } } },
      { type: 'edit', target: 'wamid.1', text: 'new' },
    ],
    [
      { type: 'revoke', revoke: { original_message_id: 'wamid.1' } },
      { type: 'delete', target: 'wamid.1' },
    ],
    [{ type: 'text', text: { body: 'x' }, context: { id: 'wamid.O' } }, { replyTo: 'wamid.O' }],
    [
      { type: 'text', text: { body: 'x' }, referral: { source_id: 'AD1', ctwa_clid: 'c1' } },
      { sender: { profile: { attributes: { referral_source_id: 'AD1', referral_ctwa_clid: 'c1' } } } },
    ],
    [{ type: 'text', text: { body: 'x' }, group_id: 'G1' }, { thread: { id: 'group:G1', kind: 'group' } }],
  ]
  for (const [fields, expected] of cases)
    t.match(only(from(fields as Record<string, unknown>)), expected, JSON.stringify(fields).slice(0, 80))
})

test('a changed phone number puts both numbers on one profile', async (t) => {
  const event = only(
    body({ messages: [message({ type: 'system', system: { type: 'user_changed_number', wa_id: '491510000009' } })] }),
  )
  t.match(event, {
    type: 'profile',
    sender: {
      identifiers: [
        { kind: 'phone', value: '+491510000001' },
        { kind: 'phone', value: '+491510000009' },
      ],
    },
  })
  const update = only(
    body({
      user_id_update: [
        { wa_id: '491510000001', user_id: { previous: 'DE.1', current: 'DE.2' }, timestamp: '1767614400' },
      ],
    }),
  )
  t.match(update, {
    type: 'profile',
    sender: { id: 'DE.1', identifiers: [{ value: '+491510000001' }, { value: 'DE.1' }, { value: 'DE.2' }] },
  })
})

test('statuses are receipts with stable ids', async (t) => {
  t.same(only(status({ status: 'delivered' })), {
    type: 'receipt',
    id: 'status:wamid.OUT1:delivered',
    at: 1767614500000,
    target: 'wamid.OUT1',
    status: 'delivered',
  })
  t.match(only(status({ status: 'played' })), { status: 'read' })
  t.match(only(status({ status: 'failed', errors: [{ code: 131026, title: 'Undeliverable' }] })), {
    status: 'failed',
    error: { code: '131026' },
  })
  t.match(only(status({ status: 'warning' })), { type: 'unknown' })
  t.not(only(status({ status: 'read' })).id, only(status({ status: 'sent' })).id)
})

test('what the business wrote in its app is an echo in the customer’s thread', async (t) => {
  t.match(only(echo()), { type: 'message', echo: true, thread: { id: ada.wa_id }, text: 'From the app' })
})

test('a message for another number of the same app is not taken', async (t) => {
  const [event, ...rest] = read(text('Hello'), '999')
  t.match(event, { type: 'unknown', note: 'messages for another phone number' })
  t.same(rest, [])
})

test('all entries and all changes are read', async (t) => {
  const events = read({
    entry: [
      ...body({
        contacts: [ada],
        messages: [
          message({ type: 'text', text: { body: '1' } }, 'a'),
          message({ type: 'text', text: { body: '2' } }, 'b'),
        ],
      }).entry,
      ...status({ status: 'read' }).entry,
    ],
  })
  t.same(
    events.map((event) => event.id),
    ['a', 'b', 'status:wamid.OUT1:read'],
  )
})

test('account news and empty bodies are unknown, with the same id each time', async (t) => {
  const news = {
    entry: [{ id: '1', time: 1767614400, changes: [{ field: 'account_update', value: { event: 'PARTNER_REMOVED' } }] }],
  }
  t.match(only(news), { type: 'unknown', note: 'account_update PARTNER_REMOVED', at: 1767614400000 })
  t.equal(only(news).id, only(news).id)
  for (const odd of [{}, [], '"text"', 'null', { entry: 'x' }, { entry: [{ changes: [null] }] }])
    t.match(only(odd), { type: 'unknown' })
})

test('a sender of nothing but a plus sign is no sender', async (t) => {
  const words = { type: 'text', text: { body: 'x' }, from: '+' }
  t.match(only(body({ messages: [message(words)] })), { type: 'unknown', id: /^unknown:/ })
})

test('times that cannot be true become the time of arrival', async (t) => {
  for (const timestamp of ['0', '-1', 'soon', '99999999999', 1e300, null, undefined])
    t.equal(only(from({ type: 'text', text: { body: 'x' }, timestamp })).at, testEpoch, String(timestamp))
})

test('no payload built from known keys and odd values makes parse throw or yield a bad event', async (t) => {
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constantFrom(null, true, '', 'text', 'image', '\u0000', '1767614400', 'wamid.1', 1e300),
  )
  const keys = [
    'id',
    'type',
    'from',
    'text',
    'body',
    'image',
    'timestamp',
    'context',
    'reaction',
    'edit',
    'interactive',
    'contacts',
    'errors',
    'button',
    'system',
    'status',
    'order',
    'location',
    'profile',
    'wa_id',
    'user_id',
    'name',
    'phones',
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
  const value = fc.record(
    {
      contacts: tree,
      messages: fc.array(tree),
      statuses: fc.array(tree),
      errors: tree,
      message_echoes: fc.array(tree),
      user_id_update: tree,
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(value, (content) => {
      const events = read(body(content))
      return (
        events.length > 0 &&
        events.every((event) => eventIssues(event).length === 0) &&
        new Set(events.map((e) => e.id)).size === events.length
      )
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 generated payloads')
})

test('every sample payload yields good events with stable ids', async (t) => {
  if (shared.missing !== undefined) return void t.pass(`skipped: ${shared.missing}`)
  const kinds: Readonly<Record<string, string>> = {
    message__: 'message',
    message_status__: 'receipt',
    callback_: 'action',
    deleted_message: 'delete',
    edited_message: 'edit',
    system__phone: 'profile',
    outgoing_message: 'message',
    template_: 'unknown',
    account_: 'unknown',
    user_marketing: 'unknown',
    call_connect: 'unknown',
  }
  for (const { name, bytes } of shared.files) {
    const payload = JSON.parse(Buffer.from(bytes).toString()) as {
      entry: { changes: { value: { metadata?: { phone_number_id: string } } }[] }[]
    }
    const number = payload.entry[0]?.changes[0]?.value.metadata?.phone_number_id ?? phoneNumberId
    const events = parse(rawRequest({ body: bytes }), number)
    t.same(events.flatMap(eventIssues), [], `${name}: well-formed`)
    t.same(parse(rawRequest({ body: bytes }), number), events, `${name}: the same twice`)
    const expected = /reaction/.test(name)
      ? 'reaction'
      : Object.entries(kinds).find(([prefix]) => name.startsWith(prefix))?.[1]
    if (expected !== undefined) t.equal(events[0]?.type, expected, `${name}: ${expected}`)
  }
  t.ok(shared.files.length > 0, `${shared.files.length} samples`)
})
