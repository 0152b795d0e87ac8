import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending, queue, runOut } from './harness.js'

test('R01 a free agent is offered a chat at once and accepts it', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { item: id, conversation } = await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  t.match(offer, { agent_id: 'a', conversation_id: conversation })
  t.ok(Math.abs((offer?.seconds ?? 0) - 20) < 1, 'expires 20 s later')
  t.match(await load(store, 'a'), { reserved: 25, active: 0, by_channel: { webchat: 1 } })
  t.match(here.jobs, [{ task: 'offer.expire', payload: { offer: offer?.id } }])
  t.match(await here.work.offersOf('a'), [{ id: offer?.id, conversation, state: 'pending' }])

  t.strictSame(await here.work.accept(offer?.id ?? '', 'a', 'c1'), { conversation })
  t.match(await load(store, 'a'), { reserved: 0, active: 25, by_channel: { webchat: 1 } })
  t.match(await item(store, id), { state: 'assigned', assignee: 'a' })
  const { rows } = await store.pool.query(`select assignee, queue from conversation where id = $1`, [conversation])
  t.strictSame(rows, [{ assignee: 'a', queue: 'support' }])
  t.same(
    here.events.map((event) => event.type),
    ['offer.created', 'offer.accepted', 'work.assigned'],
  )
  t.equal(here.events[0]?.agent, 'a', 'only the agent sees the offer')
  t.match(await here.work.decisions(conversation), [{ trigger: 'offer', candidates: { chosen: 'a' } }])
  t.strictSame(await broken(store), [])
})

test('R02 with room for one chat the second waits its turn', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { capacity: 25 })
  const first = await enqueue(store, here, { agoS: 2 })
  const second = await enqueue(store, here, { agoS: 1 })
  await dispatch(here)
  t.strictSame(
    (await pending(store)).map((offer) => offer.item_id),
    [first.item],
  )
  await here.sweep()
  await here.settled()
  t.match(await item(store, second.item), { state: 'queued', waiting_reason: 'waiting_capacity' }, 'and it is told why')
  const [offer] = await pending(store)
  await here.work.accept(offer?.id ?? '', 'a', 'c')
  await here.work.complete(first.conversation, 'solved', { actor: { kind: 'agent', id: 'a' } })
  await here.settled()
  t.strictSame(
    (await pending(store)).map((one) => one.item_id),
    [second.item],
  )
  t.match(await item(store, first.item), { state: 'done' })
  t.strictSame(await broken(store), [])
})

test('R03 R04 R06 the order is by virtual time', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const order = async (...items: Parameters<typeof enqueue>[2][]): Promise<number> => {
    const made = []
    for (const options of items) made.push(await enqueue(store, here, options))
    const name = `a${made[0]?.item.slice(0, 8) ?? ''}`
    await agent(store, here, name, { capacity: 25 })
    await dispatch(here)
    const [offer] = await offers(store, `agent_id = '${name}'`)
    for (const { conversation } of made)
      await here.work.complete(conversation, null, { actor: { kind: 'system', id: null } })
    await here.presence.set(name, { status: 'offline' }, { actor: { kind: 'agent', id: name } })
    return made.findIndex((one) => one.item === offer?.item_id)
  }
  t.equal(
    await order({ agoS: 51 * 60 }, { agoS: 60, plan: { priority: 'urgent' } }),
    1,
    'urgent overtakes what came within the hour',
  )
  t.equal(await order({ agoS: 71 * 60 }, { agoS: 60, plan: { priority: 'urgent' } }), 0, 'age beats urgency')
  t.equal(await order({ agoS: 1200 }, { agoS: 0, plan: { headStartS: 1800 } }), 1, 'a VIP is half an hour ahead')
})

test('R10 of two idle agents the one who waited longer is asked', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'b', { lastAssigned: '2026-01-01T09:30:00Z' })
  await agent(store, here, 'a', { lastAssigned: '2026-01-01T09:00:00Z' })
  await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'a' }])
})

test('R11 R12 the least loaded is asked, by share of capacity', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const busy = async (name: string, kinds: readonly ('webchat' | 'messaging')[]): Promise<void> => {
    for (const kind of kinds) {
      const { conversation } = await enqueue(store, here, { kind })
      await here.work.claim(conversation, name, { actor: { kind: 'agent', id: name } })
    }
  }
  await agent(store, here, 'a', { status: null })
  await agent(store, here, 'b', { status: null })
  await busy('a', ['webchat', 'webchat'])
  await busy('b', ['webchat'])
  await store.pool.query(`update agent_load set last_assigned_at = '2026-01-01' where agent_id = 'a'`)
  const online = async (name: string): Promise<void> => {
    await here.presence.connected({ id: crypto.randomUUID(), agent: name })
    await here.presence.set(name, { status: 'online' }, { actor: { kind: 'agent', id: name } })
  }
  await online('a')
  await online('b')
  await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'b' }], '25 of 100 before 50 of 100')
  for (const offer of await pending(store)) await here.work.accept(offer.id, offer.agent_id, 'c')
  await store.pool.query(`update agent_load set capacity = 300 where agent_id = 'a'`)
  await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'a' }], '50 of 300 before 50 of 100')
  t.strictSame(await broken(store), [])
})

test('R33 who declines is left alone for two minutes, and the other is asked at once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { lastAssigned: '2026-01-01T09:00:00Z' })
  await agent(store, here, 'b', { lastAssigned: '2026-01-01T09:30:00Z' })
  const { item: id } = await enqueue(store, here)
  const rank = (await item(store, id))['rank_at']
  await dispatch(here)
  const [offer] = await pending(store)
  t.equal(offer?.agent_id, 'a')
  await here.work.decline(offer?.id ?? '', 'a', 'lunch', 'c')
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b' }])
  t.match(await load(store, 'a'), { reserved: 0, by_channel: {} })
  const after = await item(store, id)
  t.same(after['rank_at'], rank, 'the rank is unchanged')
  const until = Date.parse((after['excluded'] as Record<string, string>)['a'] ?? '')
  t.ok(Math.abs(until - Date.now() - 120_000) < 20_000, 'excluded for two minutes')
  await t.rejects(here.work.decline(offer?.id ?? '', 'a', null, 'c2'), { code: 'TL_OFFER_EXPIRED' })
  await t.rejects(
    here.work.decline(offer?.id ?? '', 'b', null, 'c3'),
    { code: 'TL_COMMAND_NOT_FOUND' },
    'another agent’s offer is as good as none',
  )
})

test('R36 two offers let pass in a row set the agent away, and their other offers go on', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  await runOut(store)
  await here.sweep()
  await here.settled()
  t.equal((await load(store, 'a')).misses, 1)
  const second = await pending(store)
  t.match(second, [{ agent_id: 'a' }], 'asked again: there is nobody else')
  await enqueue(store, here)
  await dispatch(here)
  t.equal((await pending(store)).length, 2)
  await runOut(store, `id = '${second[0]?.id ?? ''}'`)
  await here.sweep()
  await here.settled()
  t.match(await here.presence.of('a'), { status: 'away', reason: 'missed', connection: 'connected' })
  t.strictSame(await pending(store), [], 'nothing is left with an agent who is away')
  t.match(await load(store, 'a'), { misses: 2, reserved: 0, accepting: false })
  t.match(
    (await offers(store)).map((offer) => offer.state),
    ['expired', 'expired', 'rescinded'],
  )
  t.strictSame(await broken(store), [])
})

test('an acceptance in time starts the count of missed offers anew', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  await runOut(store)
  await here.sweep()
  await here.settled()
  const [offer] = await pending(store)
  await here.work.accept(offer?.id ?? '', 'a', 'c')
  t.equal((await load(store, 'a')).misses, 0)
})

test('R38 an offer that was taken back can no longer be accepted, and says why', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  await here.presence.set('a', { status: 'away' }, { actor: { kind: 'agent', id: 'a' } })
  await t.rejects(here.work.accept(offer?.id ?? '', 'a', 'c'), {
    code: 'TL_OFFER_EXPIRED',
    details: { state: 'rescinded', reason: 'away' },
  })
  await t.rejects(here.work.accept(crypto.randomUUID(), 'a', 'c'), { code: 'TL_COMMAND_NOT_FOUND' })
})

test('an expired offer cannot be accepted even before the sweep has seen it', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  await runOut(store)
  await t.rejects(here.work.accept(offer?.id ?? '', 'a', 'c'), { code: 'TL_OFFER_EXPIRED' })
  await here.run('offer.expire', { offer: offer?.id })
  await here.run('offer.expire', { offer: offer?.id })
  t.equal(here.events.filter((event) => event.type === 'offer.expired').length, 1, 'the job acts once')
})

test('an expiry job that comes too early changes nothing', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  await here.run('offer.expire', { offer: offer?.id })
  t.match(await pending(store), [{ id: offer?.id }])
})

test('R44 a customer who leaves while the offer is open takes it with them', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { item: id, conversation } = await enqueue(store, here)
  await dispatch(here)
  const ended = await store.db
    .transaction()
    .execute((trx) => here.work.end(trx, conversation, 'abandoned', { actor: { kind: 'customer', id: null } }))
  t.match(await item(store, id), { state: 'abandoned' })
  t.match(await offers(store), [{ state: 'cancelled' }])
  t.match(await load(store, 'a'), { reserved: 0, active: 0, by_channel: {} })
  t.same(
    ended.map((event) => event.type),
    ['offer.cancelled', 'work.abandoned'],
  )
  t.strictSame(await broken(store), [])
})

test('R57 an item nobody has the skill for does not hold up the next one', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { skills: { english: 5 } })
  const first = await enqueue(store, here, { agoS: 10, plan: { steps: [{ skills: { finnish: 3 } }] } })
  const second = await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ item_id: second.item }])
  t.match(await item(store, first.item), { state: 'queued', waiting_reason: 'no_route' })
  t.match(
    here.events.filter((event) => event.type === 'routing.noRoute'),
    [{ conversation: first.conversation }],
  )
  await dispatch(here)
  t.equal(here.events.filter((event) => event.type === 'routing.noRoute').length, 1, 'said once')
})

test('R56 a queue without members hands over to the default queue', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support', { teams: ['s'] }), queue('ghost', { teams: ['g'] })] })
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { teams: ['s'] })
  const { item: id } = await enqueue(store, here, { plan: { queue: 'ghost' } })
  await dispatch(here)
  t.match(await pending(store), [{ item_id: id, agent_id: 'a' }])
  t.match(await item(store, id), { queue: 'ghost', extra_queues: ['support'] })
})

test('R19 R24 steps relax over time, and whoever was asked before stays in', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { skills: { billing: 3 } })
  const steps = [{ skills: { billing: 4 }, seconds: 60 }, { skills: { billing: 3 } }]
  const { item: id } = await enqueue(store, here, { plan: { steps } })
  await dispatch(here)
  t.strictSame(await pending(store), [])
  await store.pool.query(`update work_item set step_from = step_from - interval '61 s'`)
  await here.sweep()
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'a' }])
  t.match(await item(store, id), { step: 1 })
})

test('R27 R30 a preferred agent is asked first, unless they do not qualify', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support', { teams: ['s'] })] })
  t.teardown(() => here.stop())
  await agent(store, here, 'idle', { teams: ['s'], lastAssigned: '2026-01-01T00:00:00Z' })
  await agent(store, here, 'known', { teams: ['s'], lastAssigned: '2026-01-02T00:00:00Z' })
  await agent(store, here, 'moved', { teams: ['other'] })
  await enqueue(store, here, { preferred: ['moved', 'known'] })
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'known' }])
})

test('channels an agent closed, a channel maximum, and busy keep work away', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { perChannel: { email: 1 } })
  await here.presence.set(
    'a',
    { status: 'busy', channels: { messaging: false } },
    { actor: { kind: 'agent', id: 'a' } },
  )
  for (const kind of ['webchat', 'messaging', 'email', 'email', 'social'] as const) await enqueue(store, here, { kind })
  await dispatch(here)
  const { rows } = await store.pool.query(`select channel_kind from offer where state = 'pending' order by 1`)
  t.strictSame(
    rows.map((row) => row.channel_kind),
    ['email', 'social'],
  )
})

test('a queue’s overflow is added after its longest wait; the item keeps its place', async (t) => {
  const store = await withDatabase(t)
  const queues = [
    queue('sales', { teams: ['sales'], overflow: 'support', maxWaitSeconds: 300 }),
    queue('support', { teams: ['s'] }),
  ]
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  await agent(store, here, 'seller', { teams: ['sales'], status: null })
  await agent(store, here, 'helper', { teams: ['s'] })
  const { item: id } = await enqueue(store, here, { plan: { queue: 'sales' }, agoS: 200 })
  await here.sweep()
  await here.settled()
  t.strictSame(await pending(store), [])
  await store.pool.query(`update work_item set first_enqueued_at = first_enqueued_at - interval '101 s'`)
  await here.sweep()
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'helper' }])
  t.match(await item(store, id), { queue: 'sales', extra_queues: ['support'] })
})

test('one live item a conversation, however often it is queued', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  const { conversation } = await enqueue(store, here)
  const again = {
    id: crypto.randomUUID(),
    conversation,
    channel: 'mail',
    channelKind: 'email' as const,
    plan: { queue: 'support', priority: 'normal' as const },
    planVersion: '1',
    held: null,
    preferred: [],
  }
  const events = await store.db.transaction().execute((trx) => here.work.enqueue(trx, [again]))
  t.strictSame(events, [])
  const { rows } = await store.pool.query('select count(*)::int as n from work_item')
  t.strictSame(rows, [{ n: 1 }])
})

test('a plan for a queue that is not there goes to the default queue', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  const { item: id } = await enqueue(store, here, { plan: { queue: 'nowhere', tags: ['x'] } })
  t.match(await item(store, id), { queue: 'support', state: 'queued' })
  const { rows } = await store.pool.query('select queue, tags from conversation')
  t.strictSame(rows, [{ queue: 'support', tags: ['x'] }])
})
