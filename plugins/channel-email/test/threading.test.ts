import { test } from 'tap'
import { answeredIds, loopMark, ownMessageId, replyAddress } from '../src/threading.js'
import { mail, own, plain, read, readMessage, signer } from './support/mail.js'

test('a message names what it answers: In-Reply-To first, then References from the end', async (t) => {
  const message = await readMessage(
    plain({
      'In-Reply-To': '<b@x.example>\r\n <c@x.example>',
      References: '<a@x.example> junk <<b@x.example>\r\n\t<d@x.example> <not an id>',
    }),
  )
  t.strictSame(message.replyTo, ['b@x.example', 'c@x.example', 'd@x.example', 'a@x.example'])
})

test('a References line without end is cut to the newest ids', async (t) => {
  const many = Array.from({ length: 5000 }, (_, i) => `<id-${i}@x.example>`).join(' ')
  const ids = answeredIds('', many)
  t.equal(ids.length, 50)
  t.equal(ids[0], 'id-4999@x.example')
})

test('ids without brackets, empty lines and junk do no harm', async (t) => {
  t.strictSame(answeredIds('', ''), [])
  t.strictSame(answeredIds('a@b.example c', ''), ['a@b.example'])
  t.strictSame(answeredIds('Your message of Monday', '<<<>>> < > <'), [])
  t.strictSame(answeredIds(`<${'x'.repeat(5000)}@y>`, ''), [])
})

test('the reply token comes from the envelope or any address of ours, case kept', async (t) => {
  const token = async (headers: Record<string, string>, to: readonly string[] = []) =>
    (await readMessage(plain(headers), { envelope: { to } })).replyToken
  t.equal(await token({}, ['Support+AbC-123_x@EXAMPLE.com']), 'AbC-123_x')
  t.equal(await token({ To: 'Help <support+T1@example.com>' }), 'T1')
  t.equal(await token({ Cc: 'x@y.example, support+T2@example.com' }), 'T2')
  t.equal(await token({ 'Delivered-To': 'support+T3@example.com' }), 'T3')
  t.equal(await token({ 'X-Original-To': 'support+T4@example.com' }), 'T4')
  t.equal(await token({ To: 'support+T5@evil.example' }), undefined, 'another domain')
  t.equal(await token({ To: 'sales+T6@example.com' }), undefined, 'another mailbox')
  t.equal(await token({ To: 'support+@example.com' }), undefined, 'empty')
})

test('a token that would make an address too long is left out', async (t) => {
  t.equal(replyAddress(own, 'abc'), 'support+abc@example.com')
  t.equal(replyAddress(own, 'x'.repeat(60)), null)
  t.equal(replyAddress(own, 'a b'), null)
  t.equal(replyAddress(own, 'a\r\nBcc: x'), null)
})

test('our own mail is recognised and never becomes a message', async (t) => {
  const id = ownMessageId('part-1', own)
  const cases: Readonly<Record<string, Buffer>> = {
    'signed loop header': plain({ 'X-Throughline-Loop': loopMark('email', id, signer) }),
    'our Message-ID': plain({ 'Message-ID': `<${id}>` }),
    'from our own address': plain({ From: 'Support <Support@Example.com>' }),
  }
  for (const [name, raw] of Object.entries(cases))
    t.match((await read(raw)).event, { type: 'unknown', note: 'own message' }, name)
})

test('the mail of another engine with the same instance name is a message', async (t) => {
  const other = loopMark('email', ownMessageId('part-1', own), {
    ...signer,
    sign: (data) => Buffer.from(`other ${data}`).toString('base64url'),
  })
  for (const value of [other, 'email', 'email a b c', '']) {
    t.equal((await read(plain({ 'X-Throughline-Loop': value }))).event.type, 'message', value.slice(0, 20))
  }
  t.equal(
    (await read(plain({ 'Message-ID': '<123E4567-E89B@example.com>' }))).event.type,
    'message',
    'a colleague in our own domain',
  )
})

test('the same mail has the same id over every path; another body another', async (t) => {
  const first = (await read(plain())).event.id
  const hopped = Buffer.concat([
    mail('Received: from a by b', 'Delivered-To: support@example.com').subarray(0),
    plain(),
  ])
  t.equal((await read(hopped)).event.id, first, 'headers added on the way do not count')
  t.not((await read(plain({}, 'Other'))).event.id, first, 'same Message-ID, other body')
  t.not((await read(plain({ 'Message-ID': '<m2@example.org>' }))).event.id, first)
})

test('a missing Message-ID is made up from the mail, so that a redelivery has the same', async (t) => {
  const one = await readMessage(plain({ 'Message-ID': null }))
  const two = await readMessage(plain({ 'Message-ID': null }))
  t.match(one.messageId, /^mail-[0-9a-f]{64}@no-message-id\.invalid$/)
  t.equal(one.messageId, two.messageId)
})
