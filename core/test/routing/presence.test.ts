import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending } from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id } as const })

/** As if the session had been quiet, or gone, for so long. */
async function age(store: Store, seconds: number): Promise<void> {
  await store.pool.query(
    `update presence_session set last_beat_at = last_beat_at - make_interval(secs => $1),
       lease_until = lease_until - make_interval(secs => $1), lost_at = lost_at - make_interval(secs => $1)`,
    [seconds],
  )
  await store.pool.query(`update agent_presence set changed_at = changed_at - make_interval(secs => $1)`, [seconds])
}

test('an agent is offline until they say otherwise, and gets nothing', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { status: null })
  t.match(await here.presence.of('a'), { status: 'offline', connection: 'lost' })
  await here.presence.connected({ id: randomUUID(), agent: 'a' })
  t.match(await here.presence.of('a'), { status: 'offline', connection: 'connected' })
  await enqueue(store, here)
  await dispatch(here)
  t.strictSame(await pending(store), [])
  await here.presence.set('a', { status: 'online' }, self('a'))
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'a' }], 'the change of presence alone sets the offer off')
  t.match(here.published.at(-1), { topic: 'presence', data: { agent: 'a', status: 'online', connected: true } })
})

test('status without a connection gets nothing', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { status: null })
  await here.presence.set('a', { status: 'online' }, self('a'))
  await enqueue(store, here)
  await dispatch(here)
  t.strictSame(await pending(store), [])
  t.match(await here.presence.of('a'), { status: 'online', connection: 'lost' })
})

test('an unknown agent is refused', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await t.rejects(here.presence.set('nobody', { status: 'online' }, self('nobody')), { code: 'TL_COMMAND_NOT_FOUND' })
})

test('R45 away with an open offer: it goes to somebody else at once, active chats stay', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const active = [await enqueue(store, here), await enqueue(store, here)]
  for (const { conversation } of active) await here.work.claim(conversation, 'a', self('a'))
  await here.settled()
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'a', item_id: id }])
  await agent(store, here, 'b')
  await here.presence.set('a', { status: 'away', reason: 'lunch' }, self('a'))
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b', item_id: id }])
  t.match(await load(store, 'a'), { reserved: 0, active: 50, misses: 0, accepting: false })
  t.match(await offers(store, `state = 'rescinded' and item_id = '${id}'`), [{ agent_id: 'a', reason: 'away' }])
  t.strictSame(await broken(store), [])
})

test('R46 a socket that drops for ten seconds keeps its offer; new ones do not come', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  const [before] = await pending(store)
  await here.presence.disconnected(session, false)
  await age(store, 10)
  await enqueue(store, here)
  await here.sweep()
  await here.settled()
  t.strictSame(await pending(store), [before], 'still pending, same expiry')
  t.match(await here.presence.of('a'), { status: 'online', connection: 'grace' })
  await here.presence.connected({ id: randomUUID(), agent: 'a' })
  await here.settled()
  t.equal((await pending(store)).length, 2)
})

test('after thirty seconds without a connection the offer goes on, and it is no miss', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  await here.presence.disconnected(session, false)
  await age(store, 31)
  await here.sweep()
  t.match(await offers(store), [{ state: 'rescinded', reason: 'connection_lost' }])
  t.match(await load(store, 'a'), { reserved: 0, misses: 0, accepting: false })
  t.match(await here.presence.of('a'), { status: 'online' }, 'a short drop never changes the status')
  t.strictSame(await broken(store), [])
})

test('R49 when a node dies its leases lapse, and its offers go on without a miss', async (t) => {
  const store = await withDatabase(t)
  const dead = node(store)
  const alive = node(store)
  t.teardown(() => Promise.all([dead.stop(), alive.stop()]).then(() => undefined))
  await agent(store, dead, 'a')
  await enqueue(store, dead)
  await dispatch(dead)
  await agent(store, alive, 'b')
  await age(store, 36)
  await alive.presence.connected({ id: randomUUID(), agent: 'b' })
  await alive.sweep()
  await alive.settled()
  t.match(await pending(store), [{ agent_id: 'b' }])
  t.match(await load(store, 'a'), { reserved: 0, misses: 0 })
})

test('a minute away: the waiting customer’s chat is queued again ahead of others and the customer told, e-mail stays', async (t) => {
  const store = await withDatabase(t)
  const told: unknown[] = []
  const here = node(store, {
    outbound: () => ({
      wake: () => undefined,
      queue: async ({ conversation, template, author }) => {
        told.push({ conversation, template: template?.name, author: author.kind })
        throw new Error('the channel is away')
      },
    }),
  })
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  const chat = await enqueue(store, here)
  const mail = await enqueue(store, here, { kind: 'email' })
  for (const { conversation } of [chat, mail]) await here.work.claim(conversation, 'a', self('a'))
  const rank = (await item(store, chat.item))['rank_at'] as Date
  await here.presence.disconnected(session, false)
  await age(store, 61)
  await here.sweep()
  t.match(
    await item(store, chat.item),
    { state: 'queued', assignee: null },
    'whether the customer could be told or not',
  )
  t.strictSame(told, [{ conversation: chat.conversation, template: 'agent-lost', author: 'system' }])
  t.equal(((await item(store, chat.item))['rank_at'] as Date).getTime(), rank.getTime() - 600_000)
  t.match(await item(store, mail.item), { state: 'assigned', assignee: 'a' })
  await age(store, 300)
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'offline', reason: 'connection_lost', connection: 'lost' })
  t.equal(told.length, 1, 'once')
  t.strictSame(await broken(store), [])
})

test('R48 of two tabs one closes: nothing changes', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const first = await agent(store, here, 'a')
  await here.presence.connected({ id: randomUUID(), agent: 'a' })
  await enqueue(store, here)
  await dispatch(here)
  const before = await pending(store)
  await here.presence.disconnected(first, true)
  t.strictSame(await pending(store), before)
  t.match(await load(store, 'a'), { reserved: 25, accepting: true })
  t.match(await here.presence.of('a'), { status: 'online', connection: 'connected' })
})

test('goodbye from the last tab gives the offer to somebody else at once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  await agent(store, here, 'b')
  await here.presence.disconnected(session, true)
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b' }])
  await here.presence.disconnected(session, true)
  t.match(await pending(store), [{ agent_id: 'b' }], 'said twice, it changes nothing')
})

test('tabs that close at the same moment leave nobody behind who seems connected', async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [node(store), node(store)]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  const first = await agent(store, one, 'a')
  for (let round = 0; round < 20; round++) {
    const second = randomUUID()
    await two.presence.connected({ id: second, agent: 'a' })
    const again = round === 0 ? first : randomUUID()
    if (round > 0) await one.presence.connected({ id: again, agent: 'a' })
    await Promise.all([one.presence.disconnected(again, false), two.presence.disconnected(second, false)])
    t.equal((await load(store, 'a')).accepting, false)
  }
})

test('a dispatcher that reserves while the agent goes away does not leave the offer with them', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { capacity: 1000 })
  for (let round = 0; round < 30; round++) {
    await enqueue(store, here)
    here.work.wake()
    await here.presence.set('a', { status: 'away' }, self('a'))
    await here.settled()
    t.strictSame(await pending(store), [])
    await here.presence.set('a', { status: 'online' }, self('a'))
    await here.settled()
  }
  t.strictSame(await broken(store), [])
})

test('time in each state is kept without gaps', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  await here.presence.set('a', { status: 'away', reason: 'lunch' }, self('a'))
  await here.presence.set('a', { status: 'away', reason: 'lunch' }, self('a'))
  await here.presence.disconnected(session, false)
  const { rows } = await store.pool.query(
    `select state, reason, to_at is null as open, from_at = lag(to_at) over (order by from_at, id) as seamless
     from agent_state_interval order by from_at, id`,
  )
  t.strictSame(rows, [
    { state: 'offline', reason: null, open: false, seamless: null },
    { state: 'online', reason: null, open: false, seamless: true },
    { state: 'away', reason: 'lunch', open: false, seamless: true },
    { state: 'offline', reason: 'disconnected', open: true, seamless: true },
  ])
})

test('a pause with an end ends by itself', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await here.presence.set('a', { status: 'away', reason: 'break', until: new Date(Date.now() - 1000) }, self('a'))
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'online', reason: null })
})

test('away by the agent stays away, even after missed offers were counted', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await store.pool.query('update agent_load set misses = 5')
  await here.presence.set('a', { status: 'away', reason: 'meeting' }, self('a'))
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'away', reason: 'meeting' })
  await here.presence.set('a', { status: 'online' }, self('a'))
  t.equal((await load(store, 'a')).misses, 0, 'coming back starts anew')
})
