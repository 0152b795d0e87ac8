import type { LoggedEvent } from '@throughline/plugin-sdk'
import fc from 'fast-check'
import { test } from 'tap'
import { redactEvent } from '../../src/analytics/redact.js'

const salt = Buffer.alloc(32, 1)
const conversation = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
const event: LoggedEvent = {
  position: 7,
  type: 'message.inbound',
  at: 1_700_000_000_000,
  conversation,
  contact: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c',
  actor: { kind: 'agent', id: 'ada' },
  data: {
    channel: 'whatsapp-sales',
    queue: 'support',
    status: 'open',
    message: conversation,
    agent: 'ada',
    waitedMs: 1_200_000_000_000,
    size: 3,
    automatic: false,
    text: 'CANARY my card is 4111 1111 1111 1111',
    name: 'CANARY',
    subject: 'CANARY',
    phone: 4915551234567,
    identifiers: [
      { kind: 'phone', value: '+15551234' },
      { kind: 'email', value: 'canary@example.org' },
    ],
    tags: ['CANARY'],
    parts: [{ type: 'text', text: 'CANARY' }],
    '+15551234': 'CANARY',
    source: 'canary@example.org',
    code: 'two words CANARY',
  },
}

test('none: no texts, names or identifiers, and ids only as salted hashes', (t) => {
  const seen = redactEvent(event, 'none', salt)
  const text = JSON.stringify(seen)
  for (const word of ['CANARY', 'canary', '1555', '4111', conversation, 'ada']) t.notMatch(text, word)
  t.match(seen, { position: 7, type: 'message.inbound', at: 1_700_000_000_000, actor: { kind: 'agent' } })
  t.match(seen.data, {
    channel: 'whatsapp-sales',
    queue: 'support',
    status: 'open',
    size: 3,
    automatic: false,
    waitedMs: 1_200_000_000_000,
  })
  t.equal(seen.data['phone'], undefined)
  t.equal(seen.conversation, redactEvent(event, 'none', salt).conversation, 'one conversation is one hash')
  t.equal(seen.data['message'], seen.conversation)
  t.not(
    seen.conversation,
    redactEvent(event, 'none', Buffer.alloc(32, 2)).conversation,
    'another instance sees another',
  )
  t.end()
})

test('pseudonymous: ids as they are, still no texts, names or identifiers', (t) => {
  const seen = redactEvent(event, 'pseudonymous', salt)
  const text = JSON.stringify(seen)
  for (const word of ['CANARY', 'canary', '1555', '4111']) t.notMatch(text, word)
  t.equal(seen.conversation, conversation)
  t.equal(seen.actor.id, 'ada')
  t.equal(seen.data['agent'], 'ada')
  t.end()
})

test('full: the event as it is', (t) => {
  t.equal(redactEvent(event, 'full', salt), event)
  t.end()
})

test('no text with a blank, an @ or a digit in front passes, wherever it stands', (t) => {
  const secret = fc.string({ minLength: 3 }).map((text) => `${text} CANARY`)
  const data = fc.object({
    values: [secret, fc.constant('+49CANARY'), fc.constant('CANARY@x.org'), fc.constant('1CANARY')],
    maxDepth: 6,
  })
  fc.assert(
    fc.property(data, fc.constantFrom('none' as const, 'pseudonymous' as const), (random, pii) => {
      const seen = redactEvent({ ...event, data: random }, pii, salt)
      return !JSON.stringify(seen.data).includes('CANARY')
    }),
  )
  t.end()
})
