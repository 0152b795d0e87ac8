import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, node, pending, queue } from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id } as const })
const lead = { actor: { kind: 'agent', id: 'lead' } as const, cause: 'act-1' }
const queues = [
  queue('support'),
  queue('sales', { teams: ['sales'] }),
  queue('vip', { teams: ['vip'], overflow: 'sales' }),
]

test('a supervisor brings what waits forward by a head start, with a reason that is kept', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const [first, second] = [await enqueue(store, here, { agoS: 60 }), await enqueue(store, here)]
  await here.supervision.reorder(second.conversation, 120, 'press contact', lead)
  t.match(here.events.at(-1), {
    type: 'work.reordered',
    conversation: second.conversation,
    actor: lead.actor,
    cause: 'act-1',
    data: { headStartS: 120, reason: 'press contact' },
  })
  await agent(store, here, 'a', { capacity: 25 })
  await here.settled()
  t.match(await pending(store), [{ item_id: second.item }])
  await here.supervision.reorder(first.conversation, -30, 'not urgent', lead)
  t.match(await item(store, first.item), { head_start_s: -30 })
  const [offer] = await pending(store)
  await here.work.accept(offer?.id ?? '', 'a', 'c')
  await t.rejects(here.supervision.reorder(second.conversation, 60, 'late', lead), { code: 'TL_COMMAND_CONFLICT' })
})

test('a drained queue sends what waits, and what comes, to another one, until it is resumed', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  await here.start()
  t.teardown(() => here.stop())
  await agent(store, here, 'v', { teams: ['vip'] })
  const mine = await enqueue(store, here, { plan: { queue: 'vip' } })
  await here.work.claim(mine.conversation, 'v', self('v'))
  await here.presence.set('v', { status: 'away' }, self('v'))
  const waiting = await enqueue(store, here, { plan: { queue: 'vip' }, agoS: 90 })
  const rank = (await item(store, waiting.item))['rank_at'] as Date
  t.strictSame(await here.supervision.drain('vip', null, 'evacuation', lead), { to: 'sales' }, 'its overflow')
  t.match(await item(store, waiting.item), { queue: 'sales', state: 'queued', rank_at: rank })
  t.match(await item(store, mine.item), { queue: 'vip', state: 'assigned' }, 'what is in hand stays')
  t.match(
    here.events.filter((event) => event.type === 'queue.drained'),
    [{ actor: lead.actor, data: { queue: 'vip', to: 'sales', reason: 'evacuation' } }],
  )
  const later = await enqueue(store, here, { plan: { queue: 'vip' } })
  await here.sweep()
  t.match(await item(store, later.item), { queue: 'sales' })
  const { rows } = await store.pool.query(`select queue from conversation where id = $1`, [later.conversation])
  t.strictSame(rows, [{ queue: 'sales' }])
  t.match(
    (await here.board.read()).find((stat) => stat.queue === 'vip'),
    { waiting: 0, assigned: 1, drainedTo: 'sales' },
  )
  await here.supervision.resume('vip', lead)
  const own = await enqueue(store, here, { plan: { queue: 'vip' } })
  await here.sweep()
  t.match(await item(store, own.item), { queue: 'vip' })
  t.match(
    here.events.find((event) => event.type === 'queue.resumed'),
    { data: { queue: 'vip', to: 'sales' } },
  )
  t.strictSame(await broken(store), [])
})

test('draining in a circle, into itself or into nothing is refused', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  await here.start()
  t.teardown(() => here.stop())
  await here.supervision.drain('vip', 'sales', 'x', lead)
  await t.rejects(here.supervision.drain('sales', 'vip', 'x', lead), { code: 'TL_COMMAND_CONFLICT' })
  await t.rejects(here.supervision.drain('support', 'support', 'x', lead), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(here.supervision.drain('support', null, 'x', lead), { code: 'TL_COMMAND_INVALID' })
  await t.rejects(here.supervision.drain('nowhere', null, 'x', lead), { code: 'TL_COMMAND_NOT_FOUND' })
})

test('600 waiting items are drained while a dispatcher offers them; each ends in one place', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  await here.start()
  t.teardown(() => here.stop())
  for (let i = 0; i < 8; i++) await agent(store, here, `v${i}`, { teams: ['vip'], capacity: 200 })
  await Promise.all(Array.from({ length: 600 }, () => enqueue(store, here, { plan: { queue: 'vip' } })))
  here.work.wake(['vip'])
  await here.supervision.drain('vip', 'sales', 'x', lead)
  await here.settled()
  await here.sweep()
  const { rows } = await store.pool.query(
    `select queue, state, count(*)::int as n from work_item group by queue, state order by queue, state`,
  )
  t.equal(
    rows.reduce((sum: number, row: { n: number }) => sum + row.n, 0),
    600,
  )
  t.notOk(rows.some((row: { queue: string; state: string }) => row.queue === 'vip' && row.state === 'queued'))
  t.strictSame(await broken(store), [])
})

test('listening in is told to supervisors, joining to all, leaving too; said twice it is told once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await agent(store, here, 'lead', { status: null })
  const { conversation } = await enqueue(store, here)
  here.events.length = 0
  await here.supervision.watch(conversation, 'monitor', true, lead)
  await here.supervision.watch(conversation, 'monitor', true, lead)
  t.match(await here.supervision.watchers(conversation), [{ agent: 'lead', mode: 'monitor' }])
  await here.supervision.watch(conversation, 'barge', true, lead)
  await here.supervision.watch(conversation, 'barge', false, lead)
  await here.supervision.watch(conversation, 'barge', false, lead)
  t.strictSame(await here.supervision.watchers(conversation), [])
  t.match(here.events, [
    { type: 'conversation.monitored', agent: 'lead', data: { agent: 'lead' } },
    { type: 'conversation.barged', agent: null, actor: lead.actor },
    { type: 'conversation.left', agent: null },
  ])
  t.equal(here.events.length, 3)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'a' }], 'nothing else has changed')
})

test('R49 a node with 500 sockets dies: within 45 seconds its offers go on, none is a miss, chats follow at their limit, and nothing is doubled', async (t) => {
  const store = await withDatabase(t)
  const [dead, alive] = [node(store), node(store)]
  t.teardown(() => Promise.all([dead.stop(), alive.stop()]).then(() => undefined))
  // 500 agents with a socket on the node that dies; half of them are asked, half of them talk.
  await store.pool.query(`
    with made as (insert into agent (id, name, email, role) select 'x' || n, 'x', 'x' || n || '@x.example', 'agent'
      from generate_series(1, 500) n returning id),
    loads as (insert into agent_load (agent_id, capacity, accepting) select id, 25, true from made),
    there as (insert into agent_presence (agent_id, status, source) select id, 'online', 'agent' from made)
    insert into presence_session (id, agent_id, node_id, lease_until)
    select gen_random_uuid(), id, gen_random_uuid(), clock_timestamp() + interval '35 s' from made`)
  for (let i = 0; i < 500; i += 50) await Promise.all(Array.from({ length: 50 }, () => enqueue(store, dead)))
  await dispatch(dead)
  const asked = await pending(store)
  t.equal(asked.length, 500)
  for (let i = 0; i < 250; i += 25) {
    await Promise.all(asked.slice(i, i + 25).map((offer) => dead.work.accept(offer.id, offer.agent_id, offer.id)))
  }
  // 36 s of silence: the leases of 35 s are over, and one sweep of five seconds fits before the 45th second.
  const pass = (seconds: number) =>
    store.pool.query(
      `update presence_session set last_beat_at = last_beat_at - make_interval(secs => $1),
         lease_until = lease_until - make_interval(secs => $1), lost_at = lost_at - make_interval(secs => $1)`,
      [seconds],
    )
  await store.pool.query(`update agent_presence set changed_at = changed_at - interval '1 hour'`)
  await pass(36)
  await alive.sweep()
  const count = async (what: string) => (await store.pool.query(`select count(*)::int as n from ${what}`)).rows[0].n
  t.equal(await count(`presence_session where lost_at is null`), 0, 'every session is ended')
  t.equal(await count(`offer where state = 'pending'`), 0)
  t.equal(await count(`offer where state = 'rescinded' and reason = 'connection_lost'`), 250)
  t.equal(await count(`offer where state = 'accepted'`), 250, 'chats wait for their agents a little longer')
  t.equal(await count(`agent_load where misses > 0`), 0, 'nobody has missed anything')
  // Half of those who talk come back, the others are given up after a minute.
  const talking = (await store.pool.query(`select agent_id as id from offer where state = 'accepted' order by id`)).rows
  const back = talking.slice(0, 125)
  for (const { id } of back) {
    await alive.presence.connected({
      id: (await store.pool.query('select gen_random_uuid() as u')).rows[0].u,
      agent: id,
    })
  }
  await pass(0)
  await store.pool.query(`update presence_session set lost_at = lost_at - interval '30 s' where lost_at is not null`)
  await alive.sweep()
  await alive.settled()
  t.equal(await count(`offer where state = 'accepted'`), 125, 'who came back keeps the chat')
  t.equal(await count(`offer where state = 'released'`), 125)
  t.equal(await count(`agent_load where misses > 0`), 0)
  await alive.sweep()
  t.equal(await count(`offer where state = 'released'`), 125, 'nothing is released twice')
  t.strictSame(await broken(store), [])
})
