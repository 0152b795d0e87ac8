import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending, queue } from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id } as const, cause: 'c' })

test('R62 a transfer to a queue keeps the place, and the giver does not get it back', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('sales')] })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { item: id, conversation } = await enqueue(store, here, { agoS: 100 })
  await here.work.claim(conversation, 'a', self('a'))
  const before = await item(store, id)
  await here.work.transfer(conversation, { queue: 'sales' }, 'wants a quote', self('a'))
  await here.settled()
  const after = await item(store, id)
  t.match(after, { state: 'queued', queue: 'sales', assignee: null, waiting_reason: 'all_declined' })
  t.same([after['first_enqueued_at'], after['rank_at']], [before['first_enqueued_at'], before['rank_at']])
  t.strictSame(await pending(store), [], 'the only agent gave it away')
  t.match(await load(store, 'a'), { active: 0, reserved: 0, by_channel: {} })
  const { rows } = await store.pool.query('select queue, assignee from conversation')
  t.strictSame(rows, [{ queue: 'sales', assignee: null }])
  t.match(
    here.events.find((event) => event.type === 'work.transferred'),
    { conversation, data: { from: 'a', to: { queue: 'sales' }, note: 'wants a quote' } },
  )
  await t.rejects(here.work.transfer(conversation, { queue: 'nowhere' }, null, self('a')), {
    code: 'TL_COMMAND_INVALID',
  })
  t.strictSame(await broken(store), [])
})

test('a transfer to an agent is an offer to that agent, if there is room', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await agent(store, here, 'b', { capacity: 25 })
  const { conversation } = await enqueue(store, here)
  await here.work.claim(conversation, 'a', self('a'))
  await here.work.transfer(conversation, { agent: 'b' }, null, self('a'))
  const [offer] = await pending(store)
  t.match(offer, { agent_id: 'b', reason: 'transferred' })
  await here.work.accept(offer?.id ?? '', 'b', 'c')
  const other = await enqueue(store, here)
  await here.work.claim(other.conversation, 'a', self('a'))
  await t.rejects(here.work.transfer(other.conversation, { agent: 'b' }, null, self('a')), {
    code: 'TL_COMMAND_CONFLICT',
  })
  await t.rejects(here.work.transfer(other.conversation, { agent: 'nobody' }, null, self('a')), {
    code: 'TL_COMMAND_NOT_FOUND',
  })
  t.match(await item(store, other.item), { state: 'assigned', assignee: 'a' }, 'a refused transfer changes nothing')
  t.strictSame(await broken(store), [])
})

test('release gives the conversation back to its queue', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await agent(store, here, 'b')
  const { conversation } = await enqueue(store, here)
  await here.work.claim(conversation, 'a', self('a'))
  await here.work.release(conversation, self('a'))
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b' }])
  await t.rejects(here.work.release(conversation, self('a')), { code: 'TL_COMMAND_CONFLICT' })
  await t.rejects(here.work.release(crypto.randomUUID(), self('a')), { code: 'TL_COMMAND_NOT_FOUND' })
  t.strictSame(await broken(store), [])
})

test('R16 a supervisor assigns above capacity; nothing more is offered until it fits again', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const made = []
  for (let i = 0; i < 5; i++) made.push(await enqueue(store, here))
  for (const { conversation } of made.slice(0, 4)) await here.work.claim(conversation, 'a', self('a'))
  const fifth = made[4]!.conversation
  await t.rejects(here.work.claim(fifth, 'a', self('a')), { code: 'TL_COMMAND_CONFLICT' })
  await here.work.claim(fifth, 'a', { ...self('lead'), force: true })
  t.match(await load(store, 'a'), { active: 125 })
  t.match(await offers(store, 'forced'), [{ state: 'accepted' }])
  const next = await enqueue(store, here)
  await here.work.complete(made[0]!.conversation, null, self('a'))
  await here.settled()
  t.strictSame(await pending(store), [], '100 of 100')
  await here.work.complete(made[1]!.conversation, null, self('a'))
  await here.settled()
  t.match(await pending(store), [{ item_id: next.item }])
  t.strictSame(await broken(store), [])
})

test('claiming takes an open offer away from its agent, and an owner only by force', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { conversation } = await enqueue(store, here)
  await dispatch(here)
  await agent(store, here, 'b')
  await here.work.claim(conversation, 'b', self('b'))
  await here.work.claim(conversation, 'b', self('b'))
  t.match(await offers(store), [
    { agent_id: 'a', state: 'rescinded', reason: 'taken' },
    { agent_id: 'b', state: 'accepted' },
  ])
  await t.rejects(here.work.claim(conversation, 'a', self('a')), { code: 'TL_COMMAND_CONFLICT' })
  await here.work.claim(conversation, 'a', { ...self('a'), force: true })
  t.match(await load(store, 'b'), { active: 0 })
  t.match(await load(store, 'a'), { active: 25 })
  await t.rejects(here.work.claim(conversation, 'nobody', self('nobody')), { code: 'TL_COMMAND_NOT_FOUND' })
  t.strictSame(await broken(store), [])
})

test('claiming a conversation that nobody has to handle begins the work', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { conversation } = await enqueue(store, here)
  await here.work.complete(conversation, null, self('a'))
  await here.work.claim(conversation, 'a', self('a'))
  const { rows } = await store.pool.query('select state, assignee from work_item order by created_at')
  t.strictSame(rows, [
    { state: 'cancelled', assignee: null },
    { state: 'assigned', assignee: 'a' },
  ])
})

test('completing twice acts once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { conversation } = await enqueue(store, here)
  await here.work.claim(conversation, 'a', self('a'))
  await here.work.complete(conversation, 'solved', self('a'))
  await here.work.complete(conversation, 'solved', self('a'))
  t.equal(here.events.filter((event) => event.type === 'work.completed').length, 1)
  t.match(await load(store, 'a'), { active: 0 })
})

test('the caller’s own rows are written in the same transaction, or nothing is', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  const refuse = async (): Promise<void> => {
    throw new Error('the result could not be stored')
  }
  await t.rejects(here.work.accept(offer?.id ?? '', 'a', 'c', refuse), /could not be stored/)
  t.match(await pending(store), [{ id: offer?.id }])
  t.match(await load(store, 'a'), { reserved: 25, active: 0 })
})

test('joined conversations keep one item, the better place and one offer', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const join = (from: string, into: string) =>
    store.db.transaction().execute((trx) => here.work.join(trx, from, into, self('a')))
  await agent(store, here, 'a')
  const old = await enqueue(store, here, { agoS: 500 })
  const young = await enqueue(store, here)
  await dispatch(here)
  t.equal((await pending(store)).length, 2)
  const events = await join(old.conversation, young.conversation)
  t.same(
    events.map((event) => event.type),
    ['offer.rescinded', 'work.completed'],
  )
  t.match(await item(store, old.item), { state: 'joined' })
  const survivor = await item(store, young.item)
  t.same(survivor['rank_at'], (await item(store, old.item))['rank_at'])
  t.match(await pending(store), [{ item_id: young.item }])
  t.match(await load(store, 'a'), { reserved: 25 })

  const third = await enqueue(store, here)
  await here.work.claim(third.conversation, 'a', self('a'))
  await join(third.conversation, young.conversation)
  t.match(
    await item(store, third.item),
    { state: 'assigned', conversation_id: young.conversation },
    'who has begun goes on',
  )
  t.match(await item(store, young.item), { state: 'joined' })
  t.strictSame(await broken(store), [])
})

test('held work waits for its time, or for the plugin’s answer', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('sales')] })
  t.teardown(() => here.stop())
  const decided = (to: 'queue' | 'close') => ({
    decision:
      to === 'queue'
        ? ({ to, plan: { queue: 'sales', priority: 'urgent' }, reason: 'r' } as const)
        : ({ to, reason: 'r' } as const),
    source: 'p',
    version: '7',
    rule: null,
    work:
      to === 'queue' ? { plan: { queue: 'sales', priority: 'urgent' as const }, held: null, preferred: ['a'] } : null,
  })
  const waiting = { until: null, reason: 'routing' }
  const one = await enqueue(store, here, { held: waiting })
  await here.work.settle({ item: one.item, decision: Promise.resolve(decided('queue')) })
  t.match(await item(store, one.item), {
    state: 'queued',
    queue: 'sales',
    priority: 'urgent',
    preferred: ['a'],
    plan_version: '7',
  })
  const row = await item(store, one.item)
  t.equal((row['first_enqueued_at'] as Date).getTime() - (row['rank_at'] as Date).getTime(), 3_600_000)
  await here.work.settle({ item: one.item, decision: Promise.resolve(decided('close')) })
  t.match(await item(store, one.item), { state: 'queued' }, 'a late second answer changes nothing')

  const two = await enqueue(store, here, { held: waiting })
  await here.work.settle({ item: two.item, decision: Promise.resolve(decided('close')) })
  t.match(await item(store, two.item), { state: 'cancelled' })

  const three = await enqueue(store, here, { held: waiting })
  await here.sweep()
  t.match(await item(store, three.item), { state: 'held' })
  await store.pool.query(`update work_item set held_until = held_until - interval '6 s'`)
  await here.sweep()
  t.match(await item(store, three.item), { state: 'queued', queue: 'support' }, 'nobody settled it: its node died')
  t.match(await here.work.decisions(one.conversation), [{ trigger: 'settled', source: 'p', version: '7' }])
})

test('figures of the queues', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support'), queue('sales')] })
  await here.start()
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { capacity: 25 })
  await enqueue(store, here, { agoS: 60 })
  await enqueue(store, here, { agoS: 30 })
  await dispatch(here)
  const [sales, support] = await here.work.queueStats()
  t.strictSame(sales, {
    queue: 'sales',
    waiting: 0,
    held: 0,
    offered: 0,
    assigned: 0,
    oldestWaitS: null,
    loggedIn: 1,
    free: 0,
    wait: null,
    drainedTo: null,
  })
  t.match(support, { queue: 'support', waiting: 1, offered: 1, assigned: 0 })
  t.ok((support?.oldestWaitS ?? 0) >= 30)
})
