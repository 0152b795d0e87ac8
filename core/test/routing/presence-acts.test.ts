import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending } from './harness.js'

const self = (id: string) => ({ actor: { kind: 'agent', id } as const })
const lead = { actor: { kind: 'agent', id: 'lead' } as const, cause: 'act-1' }

test('finish then away: nothing new comes, the open offer may still be taken, and the status follows the last work', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const first = await enqueue(store, here)
  await here.work.claim(first.conversation, 'a', self('a'))
  const second = await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  await here.presence.set('a', { status: 'away', reason: 'lunch', finish: true }, self('a'))
  t.match(await here.presence.of('a'), { status: 'online', finishingTo: 'away' })
  t.match(await pending(store), [{ id: offer?.id }], 'the offer stays')
  await here.work.accept(offer?.id ?? '', 'a', 'c1')
  const third = await enqueue(store, here)
  await dispatch(here)
  t.match(await item(store, third.item), { state: 'queued' }, 'nothing new')
  await here.work.complete(first.conversation, null, self('a'))
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'online' }, 'one conversation is left')
  await here.work.complete(second.conversation, null, self('a'))
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'away', reason: 'lunch', finishingTo: null, source: 'agent' })
  t.strictSame(await broken(store), [])
})

test('finish then away without anything in hand is away at once, and online again takes the wish back', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await here.presence.set('a', { status: 'away', finish: true }, self('a'))
  t.match(await here.presence.of('a'), { status: 'away', finishingTo: null })
  await here.presence.set('a', { status: 'online' }, self('a'))
  const { conversation } = await enqueue(store, here)
  await here.work.claim(conversation, 'a', self('a'))
  await here.presence.set('a', { status: 'offline', finish: true }, self('a'))
  t.match(await load(store, 'a'), { accepting: false })
  await here.presence.set('a', { status: 'online' }, self('a'))
  t.match(await here.presence.of('a'), { finishingTo: null })
  t.match(await load(store, 'a'), { accepting: true })
})

test('away and hand back: everything of the chosen channels is queued again in one transaction, at the place it had', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { capacity: 200 })
  const chats = [await enqueue(store, here, { agoS: 50 }), await enqueue(store, here, { agoS: 40 })]
  const mail = await enqueue(store, here, { kind: 'email' })
  for (const { conversation } of [...chats, mail]) await here.work.claim(conversation, 'a', self('a'))
  const open = await enqueue(store, here)
  await dispatch(here)
  t.equal((await pending(store)).length, 1)
  const ranks = await Promise.all(chats.map(async (chat) => (await item(store, chat.item))['rank_at'] as Date))
  here.events.length = 0
  await here.presence.set('a', { status: 'away', handBack: ['webchat'] }, self('a'))
  for (const [index, chat] of chats.entries()) {
    t.match(await item(store, chat.item), { state: 'queued', assignee: null, rank_at: ranks[index] })
  }
  t.match(await item(store, mail.item), { state: 'assigned', assignee: 'a' }, 'the e-mail stays')
  t.match(await item(store, open.item), { state: 'queued' }, 'the open offer goes to others')
  t.match(await load(store, 'a'), { reserved: 0, active: 10, by_channel: { email: 1 } })
  const { rows } = await store.pool.query('select count(*)::int as n from conversation where assignee is null')
  t.equal(rows[0].n, 3)
  t.equal(here.events.filter((event) => event.type === 'work.unassigned').length, 2)
  await here.presence.set('a', { status: 'away', handBack: 'all' }, self('a'))
  t.match(await item(store, mail.item), { state: 'queued', assignee: null })
  t.match(await load(store, 'a'), { reserved: 0, active: 0, by_channel: {} })
  t.strictSame(await broken(store), [])
})

test('handing back while a dispatcher offers and a colleague completes leaves every sum right', async (t) => {
  const store = await withDatabase(t)
  const [one, two] = [node(store), node(store)]
  t.teardown(() => Promise.all([one.stop(), two.stop()]).then(() => undefined))
  await agent(store, one, 'a', { capacity: 300 })
  for (let round = 0; round < 12; round++) {
    await one.presence.set('a', { status: 'online' }, self('a'))
    const made = [await enqueue(store, one), await enqueue(store, one), await enqueue(store, one)]
    for (const { conversation } of made) await one.work.claim(conversation, 'a', self('a')).catch(() => undefined)
    await enqueue(store, two)
    two.work.wake()
    await Promise.all([
      one.presence.set('a', { status: 'away', handBack: 'all' }, self('a')),
      two.work.complete(made[0]?.conversation ?? '', null, self('a')),
    ])
    await two.settled()
    t.strictSame(await pending(store), [])
    t.match(await load(store, 'a'), { reserved: 0, active: 0 })
  }
  t.strictSame(await broken(store), [])
})

test('wrap: at work, but nothing new', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const { conversation } = await enqueue(store, here)
  await here.work.claim(conversation, 'a', self('a'))
  await here.presence.set('a', { status: 'wrap' }, self('a'))
  await enqueue(store, here, { kind: 'email' })
  await dispatch(here)
  t.strictSame(await pending(store), [])
  t.match(await load(store, 'a'), { active: 25, accepting: false })
})

test('one sort of channel switched off: the others come', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await here.presence.set('a', { status: 'online', channels: { webchat: false } }, self('a'))
  await enqueue(store, here)
  const mail = await enqueue(store, here, { kind: 'email' })
  await dispatch(here)
  t.match(await pending(store), [{ item_id: mail.item }])
  t.equal((await pending(store)).length, 1)
})

test('a status by the administrator’s own name acts like the one it stands for; an unknown name is refused with the choice', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { config: { statuses: [{ id: 'training', name: 'Training', means: 'away' }] } })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await here.presence.set('a', { status: 'training' }, self('a'))
  t.match(await here.presence.of('a'), { status: 'away', label: 'training', source: 'agent' })
  t.match(await load(store, 'a'), { accepting: false })
  const { rows } = await store.pool.query('select state, reason, source from agent_state_interval where to_at is null')
  t.strictSame(rows, [{ state: 'away', reason: 'training', source: 'agent' }])
  await t.rejects(here.presence.set('a', { status: 'trainning' }, self('a')), {
    code: 'TL_COMMAND_INVALID',
    message: /online, .*training/,
  })
})

test('a supervisor freezes an agent: open offers go to others, the agent’s own status cannot undo it, and both acts are told', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  await agent(store, here, 'b')
  await here.presence.freeze('a', true, 'quality talk', lead)
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b' }])
  t.match(await offers(store, `agent_id = 'a'`), [{ state: 'rescinded', reason: 'frozen' }])
  await here.presence.set('a', { status: 'online' }, self('a'))
  t.match(await here.presence.of('a'), { frozen: true, status: 'online' })
  t.match(await load(store, 'a'), { accepting: false, misses: 0 })
  await here.presence.freeze('a', false, null, lead)
  t.match(await load(store, 'a'), { accepting: true })
  t.match(
    here.events.filter((event) => event.type === 'agent.frozen' || event.type === 'agent.thawed'),
    [
      { type: 'agent.frozen', actor: lead.actor, cause: 'act-1', data: { agent: 'a', reason: 'quality talk' } },
      { type: 'agent.thawed', actor: lead.actor },
    ],
  )
})

test('the source of a status is kept: agent, supervisor, misses, system', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const session = await agent(store, here, 'a')
  t.match(await here.presence.of('a'), { source: 'agent' })
  await here.presence.set('a', { status: 'away' }, lead)
  t.match(await here.presence.of('a'), { source: 'supervisor' })
  t.match(here.events.at(-1), {
    type: 'agent.presence',
    actor: { id: 'lead' },
    data: { from: 'online', status: 'away' },
  })
  await here.presence.set('a', { status: 'online' }, self('a'))
  await store.pool.query('update agent_load set misses = 2')
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'away', reason: 'missed', source: 'misses' })
  await here.presence.disconnected(session, false)
  await store.pool.query(`update presence_session set lost_at = lost_at - interval '301 s'`)
  await store.pool.query(`update agent_presence set changed_at = changed_at - interval '301 s'`)
  await here.sweep()
  t.match(await here.presence.of('a'), { status: 'offline', source: 'system', connection: 'lost' })
  t.match(await load(store, 'a'), { misses: 2 }, 'a lost connection adds no miss')
})
