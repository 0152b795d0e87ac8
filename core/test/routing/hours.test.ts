import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'tap'
import { createCalendars } from '../../src/calendars/calendar.js'
import type { Calendars } from '../../src/calendars/contract.js'
import type { OutgoingMessage } from '../../src/outbound/contract.js'
import { loadTemplates } from '../../src/outbound/templates.js'
import { createQueueHours } from '../../src/routing/hours.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, node, pending, queue, type NodeOptions } from './harness.js'

const week = (window: string) =>
  Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [window]] as const))
const calendar = (id: string, timeZone: string, more: object = {}) => ({
  id,
  timeZone,
  weekly: week('09:00-17:00'),
  holidays: [],
  overrides: {},
  ...more,
})
const berlin = calendar('berlin', 'Europe/Berlin', { holidays: ['2026-12-25'] })
const manila = calendar('manila', 'Asia/Manila')
const at = (text: string) => new Date(text)

/** Closed at every moment of the test but one opening far ahead; open at every moment. */
const tomorrow = new Date(Math.floor(Date.now() / 60_000) * 60_000 + 20 * 3_600_000)
const shut: Calendars = {
  ...createCalendars([]),
  names: ['office'],
  get: () => ({
    ...createCalendars([]).always,
    name: 'office',
    timeZone: 'Europe/Berlin',
    isOpen: (now) => now >= tomorrow,
    nextOpen: (now) => (now >= tomorrow ? now : tomorrow),
  }),
}
const wide: Calendars = { ...createCalendars([]), names: ['office'], get: () => createCalendars([]).always }

function recorder(refuse?: string) {
  const said: OutgoingMessage[] = []
  const outbound: NonNullable<NodeOptions['outbound']> = () => ({
    wake: () => undefined,
    queue: async (message) => {
      if (refuse !== undefined) throw Object.assign(new Error(refuse), { code: refuse })
      said.push(message)
      return { messageId: randomUUID(), losses: [] }
    },
  })
  return { said, outbound }
}

const office = [queue('support', { calendar: 'office' })]

async function contactOf(store: Store, conversation: string, timeZone: string | null, language: string | null) {
  await store.pool.query(
    `insert into contact (id, name, language, time_zone) select contact_id, 'Ann', $2, $3 from conversation where id = $1`,
    [conversation, language, timeZone],
  )
}

test('R53 a chat at 03:00 waits for 09:00 as a message: no offer, and the answer names 09:00 where the customer is', async (t) => {
  const calendars = createCalendars([berlin])
  const hours = createQueueHours(
    { queues: [queue('support', { calendar: 'berlin' })], defaultQueue: 'support' },
    calendars,
  )
  t.strictSame(hours.place({ queue: 'support' }, at('2026-11-24T02:00:00Z')), {
    held: { until: at('2026-11-24T08:00:00Z'), reason: 'closed' },
    extraQueues: [],
  })
  const templates = await loadTemplates(join(import.meta.dirname, '../../../../config/templates'))
  const text = templates.render(
    'out-of-hours',
    { customer: { language: 'en' }, opensAt: '2026-11-24T08:00:00Z', timeZone: 'America/New_York' },
    { plugin: null, kind: 'webchat' },
  )
  t.match(text, /November 24, 2026 at 3:00/, '09:00 in Berlin is 3:00 in New York')

  const store = await withDatabase(t)
  const { said, outbound } = recorder()
  const here = node(store, { queues: office, calendars: shut, outbound })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const chat = await enqueue(store, here, { agoS: 100 })
  await contactOf(store, chat.conversation, 'America/New_York', 'en')
  const urgent = await enqueue(store, here, { plan: { priority: 'urgent' } })
  t.match(chat.events, [{ type: 'work.held', data: { reason: 'closed', until: tomorrow.toISOString() } }])
  here.work.wake(['support'])
  await here.settled()
  t.strictSame(await pending(store), [], 'no offer')
  t.match(await item(store, chat.item), {
    state: 'held',
    waiting_reason: 'closed',
    held_until: tomorrow,
    channel_kind: 'messaging',
    units: 20,
  })
  t.equal(said.length, 2)
  t.match(
    said.find((message) => message.conversation === chat.conversation),
    {
      author: { kind: 'system', id: null },
      template: {
        name: 'out-of-hours',
        values: { opensAt: tomorrow.toISOString(), timeZone: 'America/New_York', customer: { language: 'en' } },
      },
    },
  )
  t.match(
    said.find((message) => message.conversation === urgent.conversation)?.template?.values,
    { timeZone: 'Europe/Berlin' },
    'a customer of an unknown time zone is told the queue’s',
  )
  here.work.wake(['support'])
  await here.sweep()
  t.equal(said.length, 2, 'once a conversation and closed period')
  t.match(here.jobs.at(-1), { task: 'work.open', key: 'open:support' })

  const open = node(store, { queues: office, calendars: wide, outbound })
  t.teardown(() => open.stop())
  await open.run('work.open', {})
  await open.settled()
  t.match(await item(store, chat.item), { opened_at: Date, held_until: null })
  t.match(
    (await pending(store)).map((offer) => offer.item_id),
    [urgent.item, chat.item],
    'they enter by rank',
  )
  const [stat] = await open.board.read()
  t.equal(stat?.oldestWaitS ?? 0, 0, 'the wait in reports begins with the opening')
  t.strictSame(await broken(store), [])
})

test('on opening items enter by rank as capacity allows', async (t) => {
  const store = await withDatabase(t)
  const closed = node(store, { queues: office, calendars: shut })
  const open = node(store, { queues: office, calendars: wide })
  t.teardown(() => Promise.all([closed.stop(), open.stop()]).then(() => undefined))
  await agent(store, open, 'a', { capacity: 40 })
  const items = []
  for (const agoS of [10, 30, 20]) items.push(await enqueue(store, closed, { agoS }))
  await open.sweep()
  await open.settled()
  t.strictSame(
    (await pending(store)).map((offer) => offer.item_id).sort(),
    [items[1]?.item, items[2]?.item].sort(),
    'the two that wrote first; the third has no room yet',
  )
})

test('R54 Berlin has a holiday, Manila is open: Manila at once, and the queue stays Berlin’s', async (t) => {
  const both = [
    queue('support', { calendar: 'berlin', overflow: 'manila', teams: ['berlin'] }),
    queue('manila', { calendar: 'manila', teams: ['manila'] }),
  ]
  const hours = createQueueHours({ queues: both, defaultQueue: 'support' }, createCalendars([berlin, manila]))
  t.strictSame(hours.place({ queue: 'support' }, at('2026-12-25T03:00:00Z')), { held: null, extraQueues: ['manila'] })
  t.match(hours.place({ queue: 'support' }, at('2026-12-25T12:00:00Z')).held, { until: at('2026-12-28T08:00:00Z') })

  const store = await withDatabase(t)
  const calendars: Calendars = { ...wide, get: (name) => (name === 'berlin' ? shut : wide).get(name) }
  const { said, outbound } = recorder()
  const here = node(store, { queues: both, calendars, outbound })
  t.teardown(() => here.stop())
  await agent(store, here, 'm', { teams: ['manila'] })
  const chat = await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'm', item_id: chat.item }])
  t.match(await item(store, chat.item), { queue: 'support', extra_queues: ['manila'], channel_kind: 'webchat' })
  t.strictSame(said, [], 'nobody is told to come back')
})

test('an overflow queue that opens before the own one takes what is held', async (t) => {
  const store = await withDatabase(t)
  const both = [
    queue('support', { calendar: 'berlin', overflow: 'manila', teams: ['berlin'] }),
    queue('manila', { calendar: 'manila', teams: ['manila'] }),
  ]
  const night = node(store, { queues: both, calendars: shut })
  const morning = node(store, {
    queues: both,
    calendars: { ...wide, get: (name) => (name === 'berlin' ? shut : wide).get(name) },
  })
  t.teardown(() => Promise.all([night.stop(), morning.stop()]).then(() => undefined))
  await agent(store, morning, 'm', { teams: ['manila'] })
  const { item: id } = await enqueue(store, night)
  await night.sweep()
  t.match(await item(store, id), { state: 'held' })
  await morning.sweep()
  await morning.settled()
  t.match(await pending(store), [{ agent_id: 'm', item_id: id }])
  t.match(await item(store, id), { queue: 'support' })
})

test('an item held by a plan goes on waiting when its time comes in a closed queue', async (t) => {
  const store = await withDatabase(t)
  const { said, outbound } = recorder()
  const here = node(store, { queues: office, calendars: shut, outbound })
  t.teardown(() => here.stop())
  const { item: id } = await enqueue(store, here, { held: { until: new Date(Date.now() - 1000), reason: 'routing' } })
  t.match(await item(store, id), { state: 'held', waiting_reason: 'routing' })
  await here.sweep()
  t.match(await item(store, id), { state: 'held', waiting_reason: 'closed', held_until: tomorrow })
  t.equal(said.length, 1)
  await here.sweep()
  t.equal(here.events.filter((event) => event.type === 'work.held').length, 1, 'told once')
})

test('a transfer to a closed queue waits there for the opening', async (t) => {
  const store = await withDatabase(t)
  const queues = [queue('support'), queue('billing', { calendar: 'office' })]
  const here = node(store, { queues, calendars: shut })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { item: id, conversation } = await enqueue(store, here)
  await here.work.claim(conversation, 'a', { actor: { kind: 'agent', id: 'a' } })
  await here.work.transfer(conversation, { queue: 'billing' }, null, { actor: { kind: 'agent', id: 'a' } })
  t.match(await item(store, id), { state: 'held', queue: 'billing', waiting_reason: 'closed', held_until: tomorrow })
  t.match(here.events.at(-1), { type: 'work.held', data: { reason: 'closed' } })
  t.strictSame(await broken(store), [])
})

test('two nodes that tell the same customers at one moment tell each once', async (t) => {
  const store = await withDatabase(t)
  const { said, outbound } = recorder()
  const nodes = [1, 2, 3].map(() => node(store, { queues: office, calendars: shut, outbound }))
  t.teardown(() => Promise.all(nodes.map((one) => one.stop())).then(() => undefined))
  for (let i = 0; i < 20; i++) await enqueue(store, nodes[0]!)
  await Promise.all(nodes.map((one) => one.sweep()))
  t.equal(said.length, 20)
  t.equal(new Set(said.map((message) => message.conversation)).size, 20)
})

test('a channel that cannot be written to is left alone; one that is away is tried again', async (t) => {
  const store = await withDatabase(t)
  const away = recorder('TL_CHANNEL_UNAVAILABLE')
  const never = recorder('TL_CHANNEL_WINDOW_CLOSED')
  const first = node(store, { queues: office, calendars: shut, outbound: away.outbound })
  const second = node(store, { queues: office, calendars: shut, outbound: never.outbound })
  t.teardown(() => Promise.all([first.stop(), second.stop()]).then(() => undefined))
  await enqueue(store, first)
  const answers = async () => (await store.pool.query('select outcome, message_id from closed_answer')).rows
  await first.sweep()
  t.strictSame(await answers(), [], 'tried again later')
  await second.sweep()
  t.strictSame(await answers(), [{ outcome: 'TL_CHANNEL_WINDOW_CLOSED', message_id: null }])
  await second.sweep()
  t.equal(second.warnings.length, 1, 'complained about once')
})

test('a queue is open when its own hours and those of one of its teams meet', async (t) => {
  const early = calendar('early', 'UTC', { weekly: week('06:00-10:00') })
  const late = calendar('late', 'UTC', { weekly: week('12:00-20:00') })
  const shop = calendar('shop', 'UTC', { weekly: week('08:00-14:00') })
  const calendars = createCalendars([early, late, shop])
  const teams = [
    { id: 'early', name: 'early', calendar: 'early' },
    { id: 'late', name: 'late', calendar: 'late' },
    { id: 'any', name: 'any', calendar: null },
  ]
  const queues = [
    queue('both', { calendar: 'shop', teams: ['early', 'late'] }),
    queue('somebody', { teams: ['early', 'any'] }),
    queue('teams', { teams: ['early'] }),
  ]
  const hours = createQueueHours({ queues, defaultQueue: 'both', teams }, calendars)
  const state = (name: string, time: string) => hours.state(name, at(`2026-11-24T${time}Z`))
  t.strictSame(state('both', '09:00:00'), { open: true })
  t.match(state('both', '07:00:00'), { open: false, opensAt: at('2026-11-24T08:00:00Z') })
  t.match(state('both', '10:00:00'), { open: false, opensAt: at('2026-11-24T12:00:00Z') })
  t.match(state('both', '14:00:00'), { open: false, opensAt: at('2026-11-25T08:00:00Z') })
  t.equal(hours.bounded('somebody'), false, 'a team without hours is always there')
  t.match(state('teams', '11:00:00'), { open: false, timeZone: 'UTC' })
  const never = createQueueHours(
    {
      queues: [queue('never', { calendar: 'shop', teams: ['night'] })],
      defaultQueue: 'never',
      teams: [{ id: 'night', name: 'night', calendar: 'night' }],
    },
    createCalendars([shop, calendar('night', 'UTC', { weekly: week('20:00-22:00') })]),
  )
  t.match(never.state('never', at('2026-11-24T09:00:00Z')), { open: false, opensAt: null })
})

test('where the plan says so, a customer who finds nobody is told once about how long it takes', async (t) => {
  const store = await withDatabase(t)
  const { said, outbound } = recorder()
  const here = node(store, { outbound })
  t.teardown(() => here.stop())
  const fresh = await enqueue(store, here, { plan: { tellWait: true } })
  const waiting = await enqueue(store, here, { plan: { tellWait: true }, agoS: 10 })
  await enqueue(store, here, { agoS: 10 })
  await Promise.all([here.sweep(), here.sweep()])
  t.match(said, [
    {
      conversation: waiting.conversation,
      author: { kind: 'system', id: null },
      template: { name: 'offer-wait', values: { wait: { minutes: null } } },
    },
  ])
  await agent(store, here, 'a')
  await here.settled()
  await store.pool.query(`update work_item set first_enqueued_at = first_enqueued_at - interval '1 minute'`)
  await here.sweep()
  t.equal(said.length, 1, 'once; and who is being offered need not hear of it')
  t.match(await item(store, fresh.item), { state: 'offered', tell_wait: true })
})
