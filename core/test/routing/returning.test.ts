import { test } from 'tap'
import { createCalendars } from '../../src/calendars/calendar.js'
import type { Calendars } from '../../src/calendars/contract.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { message, pipeline } from '../support/pipeline.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending, queue } from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id } as const })
const MINUTE = 60_000

/** Closed until a moment, open from then on. */
function opening(at: Date): Calendars {
  const always = createCalendars([]).always
  const calendar = {
    ...always,
    name: 'office',
    isOpen: (now: Date) => now >= at,
    nextOpen: (now: Date) => (now >= at ? now : at),
  }
  return { ...createCalendars([]), names: ['office'], get: () => calendar }
}
const ago = (minutes: number) => new Date(Date.now() - minutes * MINUTE)
const office = [queue('support', { calendar: 'office' })]

async function lastSeen(store: Store, minutes: number): Promise<void> {
  await store.pool.query(
    `update presence_session set lost_at = now() - make_interval(mins => $1), last_beat_at = now() - make_interval(mins => $1)`,
    [minutes],
  )
  await store.pool.query(`update agent_presence set changed_at = now() - make_interval(mins => $1)`, [minutes])
}

async function wrote(store: Store, conversation: string, minutes: number): Promise<void> {
  await store.pool.query(
    `update conversation set waiting_since = now() - make_interval(mins => $2), last_inbound_at = now() - make_interval(mins => $2)
     where id = $1`,
    [conversation, minutes],
  )
}

test('R50 the owner went at night and the customer replied: it stays until 15 minutes after the opening, then goes on', async (t) => {
  const store = await withDatabase(t)
  const early = node(store, { queues: office, calendars: opening(ago(14)) })
  const late = node(store, { queues: office, calendars: opening(ago(16)) })
  t.teardown(() => Promise.all([early.stop(), late.stop()]).then(() => undefined))
  const session = await agent(store, late, 'a')
  const mail = await enqueue(store, late, { kind: 'email' })
  await late.work.claim(mail.conversation, 'a', self('a'))
  await late.presence.disconnected(session, true)
  await lastSeen(store, 11 * 60)
  await wrote(store, mail.conversation, 10 * 60)
  await early.sweep()
  t.match(await item(store, mail.item), { state: 'assigned', assignee: 'a' }, 'the office opened 14 minutes ago')
  await late.sweep()
  t.match(await item(store, mail.item), { state: 'queued', assignee: null })
  t.match(await offers(store), [{ state: 'released', reason: 'owner_absent' }])
  t.match(await load(store, 'a'), { active: 0, misses: 0 })
  t.strictSame(await broken(store), [])
})

test('an owner who is back by then keeps the e-mail', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: office, calendars: opening(ago(60)) })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const mail = await enqueue(store, here, { kind: 'email' })
  await here.work.claim(mail.conversation, 'a', self('a'))
  await wrote(store, mail.conversation, 10)
  await here.sweep()
  t.match(await item(store, mail.item), { state: 'assigned', assignee: 'a' })
})

test('a customer who writes in opening hours while the owner is gone does not wait for them', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  const [silent, waiting] = [
    await enqueue(store, here, { kind: 'email' }),
    await enqueue(store, here, { kind: 'email' }),
  ]
  for (const { conversation } of [silent, waiting]) await here.work.claim(conversation, 'a', self('a'))
  await here.presence.disconnected(session, true)
  await lastSeen(store, 30)
  await wrote(store, waiting.conversation, 5)
  await wrote(store, silent.conversation, 40)
  await here.sweep()
  t.match(await item(store, waiting.item), { state: 'queued' })
  t.match(await item(store, silent.item), { state: 'assigned' }, 'written before they went: it waits for them')
})

test('R51 a conversation comes back after ten hours: its owner, there and with room, has it at once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'owner')
  await agent(store, here, 'idle', { lastAssigned: '2020-01-01' })
  const back = await enqueue(store, here, { returnsTo: 'owner', preferred: ['owner'] })
  t.match(await item(store, back.item), { state: 'assigned', assignee: 'owner' })
  t.match(await load(store, 'owner'), { reserved: 0, active: 25, by_channel: { webchat: 1 } })
  t.match(back.events, [{ type: 'work.queued' }, { type: 'work.assigned', data: { agent: 'owner', returned: true } }])
  const { rows } = await store.pool.query('select assignee, version from conversation')
  t.strictSame(rows, [{ assignee: 'owner', version: 2 }])
  await dispatch(here)
  t.strictSame(await pending(store), [], 'nobody is asked')
  t.strictSame(await broken(store), [])
})

test('R51 an owner who is offline, away, full or no longer of the team: queued ten minutes ahead, for whoever is there', async (t) => {
  for (const why of ['offline', 'away', 'full', 'moved'] as const) {
    const store = await withDatabase(t)
    const here = node(store, { queues: [queue('support', { teams: ['support'] })] })
    const teams = ['support']
    await agent(store, here, 'owner', {
      teams: why === 'moved' ? ['sales'] : teams,
      status: why === 'offline' ? null : why === 'away' ? 'away' : 'online',
      capacity: why === 'full' ? 20 : 100,
    })
    await agent(store, here, 'other', { teams })
    const back = await enqueue(store, here, { returnsTo: 'owner', preferred: ['owner'] })
    const row = await item(store, back.item)
    t.match(row, { state: 'queued', head_start_s: 600 }, why)
    t.equal((row['first_enqueued_at'] as Date).getTime() - (row['rank_at'] as Date).getTime(), 600_000)
    await dispatch(here)
    t.strictSame(await broken(store), [])
    if (why !== 'full') t.match(await pending(store), [{ agent_id: 'other', item_id: back.item }], why)
    await here.stop()
  }
})

test('many conversations come back at once to one agent: only as many as there is room for', async (t) => {
  const store = await withDatabase(t)
  const nodes = [node(store), node(store)]
  t.teardown(() => Promise.all(nodes.map((one) => one.stop())).then(() => undefined))
  await agent(store, nodes[0]!, 'owner')
  await Promise.all(Array.from({ length: 12 }, (_, i) => enqueue(store, nodes[i % 2]!, { returnsTo: 'owner' })))
  t.match(await load(store, 'owner'), { active: 100, reserved: 0 })
  const { rows } = await store.pool.query(
    `select state, count(*)::int as n from work_item group by state order by state`,
  )
  t.strictSame(rows, [
    { state: 'assigned', n: 4 },
    { state: 'queued', n: 8 },
  ])
  t.strictSame(await broken(store), [])
})

test('R51 and R52 through the drain: within 72 hours the same conversation and its owner, later a new one that prefers them', async (t) => {
  const store = await withDatabase(t)
  const pipe = await pipeline(store)
  const here = node(store)
  t.teardown(async () => {
    await pipe.stop()
    await here.stop()
  })
  await agent(store, here, 'owner')
  const resolvedAgo = (hours: number) =>
    store.pool.query(
      `with ended as (update work_item set state = 'done', ended_at = now()), freed as (update offer set state = 'completed'),
         load as (update agent_load set active = 0, by_channel = '{}')
       update conversation set status = 'resolved', assignee = 'owner', resolved_at = now() - make_interval(hours => $1),
         last_message_at = now() - make_interval(hours => $1), waiting_since = null`,
      [hours],
    )
  await pipe.accept('line', [message('ann', 'hello')])
  await pipe.drained()
  await resolvedAgo(10)
  await pipe.accept('line', [message('ann', 'once more')])
  await pipe.drained()
  const live = async () =>
    (
      await store.pool.query(
        `select conversation_id as conversation, state, assignee, preferred from work_item where ended_at is null`,
      )
    ).rows
  const [first] = await live()
  t.match(first, { state: 'assigned', assignee: 'owner' }, 'R51')
  await resolvedAgo(80)
  await pipe.accept('line', [message('ann', 'something else')])
  await pipe.drained()
  const [second] = await live()
  t.not(second.conversation, first.conversation, 'R52 a new conversation')
  t.match(second, { assignee: null, preferred: ['owner'] }, 'the former agent is only preferred')
})

test('after the agent of a conversation the one of the contact is preferred: who had the latest other conversation', async (t) => {
  const store = await withDatabase(t)
  const pipe = await pipeline(store)
  t.teardown(() => pipe.stop())
  const says = async (text: string): Promise<string> => {
    const event = message('ann', text)
    await pipe.accept('line', [event])
    await pipe.drained()
    const { rows } = await store.pool.query<{ id: string }>(
      'select conversation_id as id from message where external_id = $1',
      [event.id],
    )
    return rows[0]!.id
  }
  const ends = (id: string, assignee: string, hours: number) =>
    store.pool.query(
      `with ended as (update work_item set state = 'done', ended_at = now())
       update conversation set status = 'resolved', assignee = $2, waiting_since = null,
         resolved_at = now() - make_interval(hours => $3), last_message_at = now() - make_interval(hours => $3)
       where id = $1`,
      [id, assignee, hours],
    )
  const first = await says('one')
  await ends(first, 'ada', 200)
  const second = await says('two')
  await ends(second, 'bob', 100)
  const third = await says('three')
  t.equal(new Set([first, second, third]).size, 3)
  const live = async () => (await store.pool.query(`select preferred from work_item where ended_at is null`)).rows
  t.strictSame(await live(), [{ preferred: ['bob'] }], 'a new conversation has only the agent of the contact')
  await ends(third, 'cleo', 10)
  t.equal(await says('once more'), third)
  t.strictSame(await live(), [{ preferred: ['cleo', 'bob'] }])
})
