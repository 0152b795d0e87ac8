import fc from 'fast-check'
import { test } from 'tap'
import type { InboundEvent } from '@throughline/plugin-sdk'
import { eventIssues, rawRequest, sharedSamples, testEpoch } from '@throughline/plugin-sdk/testing'
import { parse } from '../src/parse.js'
import { ada, chat, date, group, message, pressed, update } from './samples.js'

const only = (body: unknown): InboundEvent => {
  const [event, ...rest] = parse(rawRequest({ body }))
  if (event === undefined || rest.length > 0) throw new Error(`${rest.length + 1} events`)
  return event
}
const senderOf = (event: InboundEvent) => ('sender' in event ? event.sender : undefined)

test('a text message', async (t) => {
  t.same(only(update({ text: 'Hello' })), {
    type: 'message',
    id: '7001:12',
    at: date * 1000,
    thread: { id: '7001', kind: 'direct' },
    sender: {
      id: '7001',
      name: 'Ada Example',
      identifiers: [{ kind: 'telegram', value: '7001' }],
      profile: { language: 'de', attributes: { username: 'ada_x' } },
    },
    text: 'Hello',
  })
})

test('content of every kind', async (t) => {
  const sizes = [
    { file_id: 'S', width: 90, height: 60 },
    { file_id: 'L', width: 900, height: 600, file_size: 5000 },
    { file_id: 'M', width: 320, height: 200 },
  ]
  const cases: readonly (readonly [Record<string, unknown>, object])[] = [
    [{ photo: sizes, caption: 'c' }, { parts: [{ type: 'image', media: { id: 'L', size: 5000 }, caption: 'c' }] }],
    [
      { voice: { file_id: 'V', mime_type: 'audio/ogg' } },
      { parts: [{ type: 'voice', media: { id: 'V', mime: 'audio/ogg' } }] },
    ],
    [{ video_note: { file_id: 'N' } }, { parts: [{ type: 'video' }] }],
    [{ animation: { file_id: 'A' }, document: { file_id: 'A' } }, { parts: [{ type: 'video', media: { id: 'A' } }] }],
    [{ document: { file_id: 'D', file_name: 'a.pdf' } }, { parts: [{ type: 'file', media: { name: 'a.pdf' } }] }],
    [{ sticker: { file_id: 'K' } }, { parts: [{ type: 'sticker' }] }],
    [{ location: { latitude: '99.5', longitude: 1 } }, { parts: [{ type: 'location', lat: 99.5, lon: 1 }] }],
    [
      {
        venue: { location: { latitude: 1, longitude: 2 }, title: 'Shop', address: 'S 1' },
        location: { latitude: 1, longitude: 2 },
      },
      { parts: [{ name: 'Shop', address: 'S 1' }] },
    ],
    [{ dice: { emoji: '🎲', value: 4 } }, { text: '🎲 4' }],
    [{ poll: { question: 'Tea?', options: [{ text: 'Yes' }] } }, { text: 'Tea?\n- Yes' }],
    [{ story: { id: 1 } }, { parts: [{ type: 'unsupported', note: 'Telegram message with story' }] }],
    [{ hologram: {} }, { parts: [{ type: 'unsupported' }] }],
    [{}, { parts: [{ type: 'unsupported' }] }],
    [{ web_app_data: { data: 'order-1', button_text: 'Order' } }, { type: 'action', value: 'order-1' }],
    [{ migrate_to_chat_id: -1005 }, { type: 'unknown', note: 'in the chat: migrate_to_chat_id' }],
    [{ new_chat_members: [ada] }, { type: 'unknown' }],
    [
      { text: 'See docs now', entities: [{ type: 'text_link', offset: 4, length: 4, url: 'https://example.test' }] },
      { text: 'See docs (https://example.test) now' },
    ],
    [{ text: '/start shop-42' }, { sender: { profile: { attributes: { start: 'shop-42' } } } }],
    [{ text: 'x', reply_to_message: { message_id: 3, text: 'y' } }, { replyTo: '7001:3' }],
    [{ text: 'x', media_group_id: 'G1' }, { album: 'G1' }],
    [{ text: 'x', from: { ...ada, is_bot: true } }, { automatic: true }],
    [{ text: 'x', chat: group }, { thread: { id: '-100500', kind: 'group', title: 'Friends' } }],
    [
      { text: 'x', chat: group, is_topic_message: true, message_thread_id: 4, reply_to_message: { message_id: 4 } },
      { thread: { id: '-100500/4' }, replyTo: undefined },
    ],
    [
      { text: 'x', business_connection_id: 'B1' },
      { thread: { id: 'business:B1:7001' }, echo: undefined },
    ],
  ]
  for (const [fields, expected] of cases) t.match(only(update(fields)), expected, JSON.stringify(fields).slice(0, 80))
})

test('only the sender’s own shared contact is a verified phone number', async (t) => {
  const shared = (contact: object) =>
    senderOf(only(update({ contact: { phone_number: '+49 151 0000001', first_name: 'A', ...contact } })))?.identifiers
  t.same(shared({ user_id: 7001 }), [
    { kind: 'telegram', value: '7001' },
    { kind: 'phone', value: '+491510000001' },
  ])
  t.same(shared({}), [
    { kind: 'telegram', value: '7001' },
    { kind: 'phone', value: '+491510000001', assurance: 'claimed' },
  ])
  t.same(shared({ user_id: 9999 }), [{ kind: 'telegram', value: '7001' }], 'somebody else’s number is not the sender’s')
})

test('edits, buttons, reactions, blocks and deletions', async (t) => {
  t.match(only({ update_id: 1, edited_message: message({ text: 'b', edit_date: date + 5 }) }), {
    type: 'edit',
    id: 'update:1',
    target: '7001:12',
    text: 'b',
    at: (date + 5) * 1000,
  })
  t.match(only({ update_id: 2, callback_query: pressed }), {
    type: 'action',
    id: 'callback:Q1',
    value: 'yes',
    label: 'Yes',
    target: '7001:12',
    thread: { id: '7001' },
  })
  t.match(only({ update_id: 2, callback_query: { id: 'Q2', from: ada, data: 'd', inline_message_id: 'i' } }), {
    type: 'action',
    thread: { id: '7001' },
  })
  const reaction = (old: object[], now: object[]) =>
    only({
      update_id: 3,
      message_reaction: { chat, message_id: 12, user: ada, date, old_reaction: old, new_reaction: now },
    })
  const [up, heart] = [
    { type: 'emoji', emoji: '👍' },
    { type: 'emoji', emoji: '❤' },
  ]
  t.match(reaction([], [up]), { type: 'reaction', target: '7001:12', emoji: '👍' })
  t.match(reaction([up], [up, heart]), { emoji: '❤' })
  t.match(reaction([up], []), { emoji: null })
  const member = (status: string, where: object = chat) =>
    only({ update_id: 4, my_chat_member: { chat: where, from: ada, date, new_chat_member: { status } } })
  t.match(member('kicked'), { type: 'consent', granted: false, sender: { id: '7001' } })
  t.match(member('member'), { type: 'consent', granted: true })
  t.match(member('kicked', group), { type: 'unknown' }, 'leaving a group is nobody’s refusal')
  const deleted = parse(
    rawRequest({
      body: { update_id: 5, deleted_business_messages: { business_connection_id: 'B', chat, message_ids: [1, 2, 2] } },
    }),
  )
  t.match(deleted, [
    { type: 'delete', target: '7001:1', thread: { id: 'business:B:7001' } },
    { type: 'delete', target: '7001:2' },
  ])
  t.equal(deleted.length, 2)
})

test('kinds nobody knows yet are kept, with the update’s id', async (t) => {
  t.match(only({ some_new_kind: { x: 1 }, update_id: 77 }), {
    type: 'unknown',
    id: 'update:77',
    note: 'update of kind some_new_kind',
  })
  t.match(only({ update_id: 78 }), { type: 'unknown', note: 'update of kind nothing' })
  t.match(only([]), { type: 'unknown' })
})

test('an answer of getUpdates is read like its updates', async (t) => {
  const events = parse(
    rawRequest({
      body: {
        ok: true,
        result: [update({ text: 'a', message_id: 1 }, 1), update({ text: 'b', message_id: 2 }, 2), null],
      },
    }),
  )
  t.same(
    events.map((event) => event.type),
    ['message', 'message', 'unknown'],
  )
})

test('no update built from known keys and odd values makes parse throw or yield a bad event', async (t) => {
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constantFrom(null, true, '', 7001, 'private', '\u0000', 2 ** 60, -1),
  )
  const keys = [
    'message_id',
    'from',
    'chat',
    'id',
    'type',
    'date',
    'text',
    'entities',
    'photo',
    'file_id',
    'offset',
    'length',
    'url',
    'contact',
    'phone_number',
    'user_id',
    'data',
    'message',
    'message_ids',
    'new_reaction',
    'reply_to_message',
    'business_connection_id',
    'message_thread_id',
    'is_topic_message',
    'new_chat_member',
    'status',
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
  const kinds = fc.constantFrom(
    'message',
    'edited_message',
    'callback_query',
    'message_reaction',
    'my_chat_member',
    'deleted_business_messages',
    'business_message',
    'poll',
  )
  fc.assert(
    fc.property(kinds, tree, fc.oneof(fc.integer(), leaf), (kind, content, id) => {
      const events = parse(rawRequest({ body: { update_id: id, [kind]: content } }))
      return (
        events.length > 0 &&
        events.every((event) => eventIssues(event).length === 0) &&
        new Set(events.map((e) => e.id)).size === events.length
      )
    }),
    { numRuns: 3000 },
  )
  t.equal(only(update({ text: 'x', date: 0 })).at, testEpoch, '1970 becomes the time of arrival')
})

test('every sample update yields good events with stable ids', async (t) => {
  const { files, missing } = sharedSamples('fixtures', 'telegram')
  if (missing !== undefined) return void t.pass(`skipped: ${missing}`)
  const inner: readonly (readonly [RegExp, string])[] = [
    [/^teloxide__message__/, 'message'],
    [/callback_query__/, 'callback_query'],
    [/message_reaction_updated__/, 'message_reaction'],
    [/business_messages_deleted__/, 'deleted_business_messages'],
  ]
  const expected: readonly (readonly [RegExp, string])[] = [
    [/^bottender__(text|audio|video|voice|document|contact|location|reply|group_message|channel_post)/, 'message'],
    [/^bottender__(callback_query)|callback_query__/, 'action'],
    [/edited/, 'edit'],
    [/message_reaction_updated/, 'reaction'],
    [/messages_deleted/, 'delete'],
    [/^bottender__(poll|inline_query|pre_checkout|shipping)|chat_boost|count_updated|new_update_kind/, 'unknown'],
    [/suggested_post|topic_created|issue_427|giveaway|boost_added|shared_chat/, 'unknown'],
  ]
  for (const { name, bytes } of files) {
    const kind = inner.find(([pattern]) => pattern.test(name))?.[1]
    const payload = JSON.parse(Buffer.from(bytes).toString()) as object
    const body = kind === undefined ? bytes : JSON.stringify({ update_id: 1, [kind]: payload })
    const events = parse(rawRequest({ body }))
    t.same(events.flatMap(eventIssues), [], `${name}: well-formed`)
    t.same(parse(rawRequest({ body })), events, `${name}: the same twice`)
    const type = expected.find(([pattern]) => pattern.test(name))?.[1]
    if (type !== undefined) t.equal(events[0]?.type, type, `${name}: ${type}`)
  }
  t.ok(files.length > 0, `${files.length} samples`)
})
