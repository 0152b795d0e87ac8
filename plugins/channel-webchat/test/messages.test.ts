import fc from 'fast-check'
import { eventIssues } from '@throughline/plugin-sdk/testing'
import { test } from 'tap'
import { Problem } from '../src/problem.js'
import { incomingEvent } from '../src/incoming.js'
import type { Visitor } from '../src/visitor.js'
import { siteSecret, siteToken, webChat } from './support/calls.js'

const clientId = '0c0ffee0-0000-4000-8000-000000000001'

test('a message is stored once however often it is sent, and its id stays the same', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  t.same(await chat.post('messages', { clientId, text: 'Hello' }, token), { status: 202, body: { status: 'stored' } })
  const again = await chat.post('messages', { clientId: clientId.toUpperCase(), text: 'Hello' }, token)
  t.same(again, { status: 202, body: { status: 'duplicate' } })
  t.equal(chat.accepted.length, 1)
  t.match(chat.accepted[0], {
    id: `${thread}:${clientId}`,
    type: 'message',
    text: 'Hello',
    thread: { id: thread, kind: 'direct' },
    sender: { id: thread, identifiers: [{ kind: 'device', value: thread, assurance: 'verified' }] },
  })
})

test('two visitors may use the same client id', async (t) => {
  const chat = await webChat()
  const [one, two] = [await chat.session(), await chat.session()]
  await chat.post('messages', { clientId, text: 'one' }, one['token'])
  t.match(await chat.post('messages', { clientId, text: 'two' }, two['token']), { body: { status: 'stored' } })
})

test('what a visitor types about themselves stays claimed, also for a signed visitor', async (t) => {
  const chat = await webChat({ siteSecret })
  const claimed = {
    name: 'Mallory',
    email: 'victim@mail.test',
    phone: '+4930',
    account: 'customer-7',
    assurance: 'verified',
  }
  const anonymous = await chat.session()
  await chat.post('messages', { clientId, text: 'hi', claimed }, anonymous['token'])
  const signed = await chat.session({ site: await siteToken({ name: 'Grace', email: 'grace@mail.test' }) })
  await chat.post('messages', { clientId, text: 'hi', claimed }, signed['token'])
  const [first, second] = chat.accepted.map((event) => (event.type === 'message' ? event.sender : null))
  t.same(first?.identifiers, [
    { kind: 'device', value: anonymous['thread'], assurance: 'verified' },
    { kind: 'email', value: 'victim@mail.test', assurance: 'claimed' },
    { kind: 'phone', value: '+4930', assurance: 'claimed' },
  ])
  t.equal(first?.name, 'Mallory')
  t.same(second?.identifiers, [
    { kind: 'account', value: 'customer-7', assurance: 'verified' },
    { kind: 'email', value: 'grace@mail.test', assurance: 'verified' },
    { kind: 'email', value: 'victim@mail.test', assurance: 'claimed' },
    { kind: 'phone', value: '+4930', assurance: 'claimed' },
  ])
  t.equal(second?.name, 'Grace', 'the name the site gave wins')
})

test('a body cannot say who the visitor is or which thread it belongs to', async (t) => {
  const chat = await webChat()
  const [one, two] = [await chat.session(), await chat.session()]
  const body = {
    clientId,
    text: 'x',
    thread: { id: two['thread'] },
    sender: { id: two['thread'] },
    id: 'mine',
    type: 'receipt',
  }
  await chat.post('messages', body, one['token'])
  t.match(chat.accepted[0], { type: 'message', id: `${one['thread']}:${clientId}`, thread: { id: one['thread'] } })
})

test('NUL, control characters and lone surrogates are replaced, everything else is kept', async (t) => {
  const chat = await webChat()
  const { token } = await chat.session()
  const text = 'a\u0000b\u0007c \ud800d\r\ne\tשלום 👨‍👩‍👧 \udc00'
  await chat.post('messages', { clientId, text }, token)
  t.match(chat.accepted[0], { text: 'a\uFFFDb\uFFFDc \uFFFDd\ne\tשלום 👨‍👩‍👧 \uFFFD' })
})

test('empty, oversized and ill-formed messages are refused and nothing is stored', async (t) => {
  const chat = await webChat()
  const { token } = await chat.session()
  const refused: readonly (readonly [string, unknown, number, string])[] = [
    ['empty', { clientId, text: '' }, 400, 'text_empty'],
    ['only white space', { clientId, text: ' \n\t ' }, 400, 'text_empty'],
    ['nothing', { clientId }, 400, 'text_empty'],
    ['too long', { clientId, text: 'x'.repeat(10_001) }, 413, 'text_too_long'],
    ['no id', { text: 'x' }, 400, 'body_invalid'],
    ['an id that is no UUID', { clientId: '../../x', text: 'x' }, 400, 'body_invalid'],
    ['text that is no string', { clientId, text: 7 }, 400, 'body_invalid'],
    ['a list', [], 400, 'body_invalid'],
    ['no JSON', '{"text":', 400, 'body_invalid'],
    ['invalid UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), 400, 'body_invalid'],
    [
      'a picture',
      { clientId, parts: [{ type: 'image', media: { url: 'http://169.254.169.254/' } }] },
      400,
      'body_invalid',
    ],
    ['a place off the globe', { clientId, parts: [{ type: 'location', lat: 91, lon: 0 }] }, 400, 'body_invalid'],
    ['an action with text', { clientId, text: 'x', action: { value: 'y' } }, 400, 'body_invalid'],
    ['an action without value', { clientId, action: { label: 'y' } }, 400, 'body_invalid'],
  ]
  for (const [name, body, status, code] of refused) {
    t.match(await chat.post('messages', body, token), { status, body: { code } }, name)
  }
  t.equal(chat.accepted.length, 0)
  t.match(
    await chat.post('messages', { clientId, text: 'x'.repeat(10_000) }, token),
    { status: 202 },
    'the longest one',
  )
})

test('a chosen answer becomes an action, a place a part', async (t) => {
  const chat = await webChat()
  const { token } = await chat.session()
  await chat.post('messages', { clientId, action: { value: 'size-m', label: 'Medium', target: 'm1' } }, token)
  const other = clientId.replace(/1$/, '2')
  await chat.post(
    'messages',
    { clientId: other, parts: [{ type: 'location', lat: 52.5, lon: 13.4, name: 'Here' }] },
    token,
  )
  t.match(chat.accepted, [
    { type: 'action', value: 'size-m', label: 'Medium', target: 'm1' },
    { type: 'message', parts: [{ type: 'location', lat: 52.5, lon: 13.4, name: 'Here' }] },
  ])
})

test('a failing inbox is an error, never an acknowledgement', async (t) => {
  const chat = await webChat()
  const { token } = await chat.session()
  chat.host.refuseInbox(1)
  await t.rejects(chat.post('messages', { clientId, text: 'x' }, token))
  t.match(await chat.post('messages', { clientId, text: 'x' }, token), { status: 202, body: { status: 'stored' } })
})

test('typing is reported, but not more often than once in three seconds', async (t) => {
  const chat = await webChat()
  const { token, thread } = await chat.session()
  for (let n = 0; n < 5; n += 1) t.match(await chat.post('typing', { on: true }, token), { status: 202 })
  t.equal(chat.accepted.length, 1)
  await chat.host.advance(3000)
  await chat.post('typing', {}, token)
  await chat.post('typing', { on: false }, token)
  t.match(chat.accepted.slice(1), [
    { type: 'typing', on: true, thread: { id: thread } },
    { type: 'typing', on: false },
  ])
})

test('any body yields a well-formed event or a refusal', (t) => {
  const visitor: Visitor = { id: 'visitor', thread: 'visitor', expiresAt: 0 }
  const almost = fc.record(
    {
      clientId: fc.oneof(fc.uuid(), fc.anything()),
      text: fc.oneof(fc.string({ unit: 'binary' }), fc.anything()),
      parts: fc.oneof(fc.array(fc.anything()), fc.constant([{ type: 'location', lat: 1, lon: 2, name: '\u0000' }])),
      claimed: fc.oneof(
        fc.dictionary(fc.constantFrom('name', 'email', 'phone', '__proto__'), fc.string()),
        fc.anything(),
      ),
      action: fc.oneof(fc.record({ value: fc.string(), label: fc.string() }), fc.anything()),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(almost, (body) => {
      try {
        const event = incomingEvent(visitor, body, 1)
        const written = JSON.stringify(event)
        return eventIssues(event).length === 0 && !written.includes('\\u0000') && !/\\ud[89a-f]/i.test(written)
      } catch (error) {
        return error instanceof Problem
      }
    }),
    { numRuns: 500 },
  )
  t.end()
})

test('the browser’s time zone comes along; what is none is left out', async (t) => {
  const visitor: Visitor = { id: 'v', thread: 'v', expiresAt: 1 }
  const zone = (timeZone: unknown) => {
    const event = incomingEvent(visitor, { clientId, text: 'x', timeZone }, 0)
    return event.type === 'message' ? event.sender.profile?.timeZone : null
  }
  t.equal(zone('America/New_York'), 'America/New_York')
  for (const junk of ['Mars/Olympus', '', 7, null, 'x'.repeat(500), { toString: () => 'UTC' }])
    t.equal(zone(junk), undefined)
})
