import { test } from 'tap'
import { createCalendars } from '../../src/calendars/calendar.js'
import type { Calendars } from '../../src/calendars/contract.js'
import type { Config } from '../../src/config/contract.js'
import { createShifts } from '../../src/routing/shifts.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, pending } from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id } as const })
const MINUTE = 60_000
const always = createCalendars([]).always

/** A shift that ends at a moment and has no next one; or that begins at one. */
function shift(edge: Date, kind: 'ends' | 'begins'): Calendars {
  const open = (at: Date) => (kind === 'ends' ? at < edge : at >= edge)
  const calendar = {
    ...always,
    name: 'agent:a',
    isOpen: open,
    nextOpen: (at: Date) => (open(at) ? at : kind === 'begins' ? edge : null),
    closesAt: (at: Date) => (kind === 'ends' && open(at) ? edge : null),
  }
  return { ...createCalendars([]), get: (name) => (name === 'agent:a' ? calendar : null) }
}
const inMinutes = (minutes: number) => new Date(Date.now() + minutes * MINUTE)
const workforce = { shiftEndMinutes: 15, atShiftEnd: 'keep', ownerGraceMinutes: 15 } as const
const planned = (more: object = {}) =>
  ({ config: { agents: [{ id: 'a', capacity: 100 }], workforce: { ...workforce, ...more } } as never }) as const

async function sawShift(store: Store, on: boolean): Promise<void> {
  await store.pool.query(
    `insert into agent_shift values ('a', $1) on conflict (agent_id) do update set on_shift = $1`,
    [on],
  )
}

test('in the last minutes of a shift only what is likely to be done in time', async (t) => {
  const weekly = Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, ['09:00-17:00']] as const))
  const calendars = createCalendars([{ id: 'agent:a', timeZone: 'Europe/Berlin', weekly, holidays: [], overrides: {} }])
  const handle = (queue: string, kind: string) => (queue !== 'support' ? null : kind === 'email' ? 120 : 1200)
  const shifts = createShifts({ agents: [{ id: 'a' }, { id: 'b' }], workforce } as unknown as Config, calendars, handle)
  const at = (time: string) => shifts.allowsAt(new Date(`2026-11-24T${time}+01:00`))
  t.equal(at('16:44:00')('a', 'support', 'webchat'), true, 'before the last 15 minutes everything comes')
  t.equal(at('16:46:00')('a', 'support', 'webchat'), false, '20 minutes do not fit into 14')
  t.equal(at('16:46:00')('a', 'support', 'email'), true, 'two do')
  t.equal(at('16:59:00')('a', 'support', 'email'), false)
  t.equal(at('16:46:00')('a', 'other', 'webchat'), true, 'nothing known: ten minutes')
  t.equal(at('16:52:00')('a', 'other', 'webchat'), false)
  t.equal(at('17:30:00')('a', 'support', 'webchat'), true, 'who is online after the shift has chosen so')
  t.equal(at('16:59:00')('b', 'support', 'webchat'), true, 'no schedule')
})

test('an agent whose shift is about to end is passed over, a colleague is asked', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { ...planned(), calendars: shift(inMinutes(5), 'ends') })
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { lastAssigned: '2020-01-01' })
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  t.strictSame(await pending(store), [])
  t.match(await item(store, id), { state: 'queued' })
  await agent(store, here, 'b')
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b', item_id: id }])
})

test('the shift ends: nothing new, what is in hand is finished, then away by the schedule; once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { ...planned(), calendars: shift(inMinutes(-1), 'ends') })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const chat = await enqueue(store, here)
  await here.work.claim(chat.conversation, 'a', self('a'))
  await here.sweep()
  t.match(
    await here.presence.of('a'),
    { status: 'online', finishingTo: null },
    'seen for the first time: nothing ended',
  )
  await sawShift(store, true)
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'online', finishingTo: 'away', source: 'schedule' })
  t.match(await item(store, chat.item), { state: 'assigned' })
  await here.work.complete(chat.conversation, null, self('a'))
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'away', reason: 'shift_over', source: 'schedule' })
  await here.presence.set('a', { status: 'online' }, self('a'))
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'online', source: 'agent' }, 'working longer is their choice')
})

test('at the end of the shift messages go back by option, chats stay', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { ...planned({ atShiftEnd: 'requeue' }), calendars: shift(inMinutes(-1), 'ends') })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const [chat, mail] = [await enqueue(store, here), await enqueue(store, here, { kind: 'email' })]
  for (const { conversation } of [chat, mail]) await here.work.claim(conversation, 'a', self('a'))
  await sawShift(store, true)
  await here.sweep()
  t.match(await item(store, chat.item), { state: 'assigned', assignee: 'a' })
  t.match(await item(store, mail.item), { state: 'queued', assignee: null })
  t.match(await load(store, 'a'), { active: 25 })
  t.strictSame(await broken(store), [])
})

test('the shift begins: whom the schedule had set away is online again, whom they themselves had not', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { ...planned(), calendars: shift(inMinutes(-1), 'begins') })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await store.pool.query(`update agent_presence set status = 'away', reason = 'shift_over', source = 'schedule'`)
  await sawShift(store, false)
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'online', reason: null, source: 'schedule' })
  t.match(await load(store, 'a'), { accepting: true })
  await here.presence.set('a', { status: 'away', reason: 'dentist' }, self('a'))
  await sawShift(store, false)
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'away', reason: 'dentist' })
})

test('adherence: the part of the scheduled time in which the agent took work, whatever they did outside it', async (t) => {
  const store = await withDatabase(t)
  const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10)
  const calendars = createCalendars([
    { id: 'agent:a', timeZone: 'UTC', weekly: {}, holidays: [], overrides: { [day]: ['09:00-13:00', '14:00-18:00'] } },
  ])
  const here = node(store, { ...planned(), calendars })
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { status: null })
  const spans = [
    ['online', '07:00', '10:00'],
    ['away', '10:00', '11:00'],
    ['busy', '11:00', '12:00'],
    ['wrap', '12:00', '13:00'],
    ['online', '13:00', '15:30'],
  ]
  for (const [state, from, to] of spans) {
    await store.pool.query(
      `insert into agent_state_interval (id, agent_id, state, from_at, to_at)
       values (gen_random_uuid(), 'a', $1, $2::timestamptz, $3::timestamptz)`,
      [state, `${day}T${from}:00Z`, `${day}T${to}:00Z`],
    )
  }
  const span = [new Date(`${day}T00:00:00Z`), new Date(`${day}T23:59:00Z`)] as const
  t.strictSame(await here.workforce.adherence('a', ...span), {
    scheduledS: 8 * 3600,
    adheredS: 3.5 * 3600,
    adherence: 3.5 / 8,
  })
  t.strictSame(await here.workforce.adherence('nobody', ...span), { scheduledS: 0, adheredS: 0, adherence: null })
  await t.rejects(here.workforce.adherence('a', span[1], span[0]), { code: 'TL_COMMAND_INVALID' })
})
