import { test } from 'tap'
import type { StoredEvent } from '../../src/events/contract.js'
import { always } from '../../src/calendars/calendar.js'
import { openClock } from '../../src/sla/clock.js'
import type { Ledger } from '../../src/sla/ledger.js'
import { Waiting } from '../../src/sla/waiting.js'
import { at } from './world.js'

const target = { seconds: 900, calendar: always, levels: [], policy: 'p', policyVersion: '1' }
const ledger = (change: Partial<Ledger> = {}): Ledger => ({
  conversation: 'k',
  status: 'open',
  handledBy: 'human',
  replied: false,
  unanswered: at('10:00'),
  touchpoint: 't',
  cycles: new Map(),
  clocks: [
    openClock(
      { id: 'c', conversation: 'k', touchpoint: 't', metric: 'first_reply', cycle: 1, openedBy: null },
      target,
      at('10:00'),
    ),
  ],
  ...change,
})
const event = (type: string, touchpoint = 't', conversation = 'k') =>
  ({ type, conversation, data: { touchpoint } }) as unknown as StoredEvent
const again = event('message.inbound')

function known(change: Partial<Ledger> = {}): Waiting {
  const waiting = new Waiting()
  waiting.wrote([ledger(change)], 10)
  waiting.at(10)
  return waiting
}

test('who waits already and asks again is passed over', async (t) => {
  t.same(known().sift([again, again]), [])
})

test('a conversation to which anything else happens is looked at wholly', async (t) => {
  const sent = event('message.sent')
  t.same(known().sift([again, sent, again]), [again, sent, again])
  const elsewhere = event('message.inbound', 'other')
  t.same(known().sift([elsewhere, again]), [elsewhere, again])
  const stranger = event('message.inbound', 't', 'other')
  t.same(known().sift([again, stranger]), [stranger])
})

test('nobody is passed over who does not wait for people on an open clock', async (t) => {
  const changes: Partial<Ledger>[] = [
    { unanswered: null },
    { status: 'snoozed' },
    { handledBy: 'bot' },
    { clocks: [] },
    { touchpoint: 'other' },
  ]
  for (const change of changes) t.same(known(change).sift([again]), [again])
})

test('what another node has done in between makes all of it forgotten', async (t) => {
  const waiting = known()
  waiting.at(11)
  t.same(waiting.sift([again]), [again])
})
