import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, pending, queue } from './harness.js'

test('R15: with the most e-mails in hand that an agent may have, a chat is offered and a further e-mail is not', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a', { perChannel: { email: 5 } })
  for (let n = 0; n < 5; n++) {
    const { conversation } = await enqueue(store, here, { kind: 'email' })
    await here.work.claim(conversation, 'a', { actor: { kind: 'agent', id: 'a' } })
  }
  t.match(await load(store, 'a'), { active: 50, by_channel: { email: 5 } })
  const mail = await enqueue(store, here, { kind: 'email', agoS: 60 })
  const chat = await enqueue(store, here)
  await dispatch(here)
  t.match(
    (await pending(store)).map((offer) => offer.item_id),
    [chat.item],
    'the mail is passed over, though it came first and its units would fit',
  )
  t.match(await item(store, mail.item), { state: 'queued' })
  t.strictSame(await broken(store), [])
})

test('R14: a call is offered over e-mail that may be interrupted, not over other work, and nothing beside a call', async (t) => {
  const store = await withDatabase(t)
  const plain = node(store)
  t.teardown(() => plain.stop())
  await agent(store, plain, 'a')
  const mail = await enqueue(store, plain, { kind: 'email' })
  await plain.work.claim(mail.conversation, 'a', { actor: { kind: 'agent', id: 'a' } })
  const call = await enqueue(store, plain, { kind: 'voice' })
  await dispatch(plain)
  t.strictSame(await pending(store), [], 'e-mail that may not be interrupted: no call')

  const here = node(store, { queues: [queue('support', { interruptible: ['email'] })] })
  t.teardown(() => here.stop())
  await dispatch(here)
  const [offer] = await pending(store)
  t.match(offer, { item_id: call.item, agent_id: 'a' })
  await here.work.accept(offer?.id ?? '', 'a', 'c')
  t.match(await load(store, 'a'), { reserved: 0, active: 110, by_channel: { email: 1, voice: 1 } })
  await enqueue(store, here, { kind: 'email' })
  await enqueue(store, here, { kind: 'voice' })
  await store.pool.query(`update agent_load set capacity = 500`)
  await dispatch(here)
  t.strictSame(await pending(store), [], 'whatever the capacity')
  await here.work.complete(call.conversation, null, { actor: { kind: 'agent', id: 'a' } })
  await here.settled()
  t.equal((await pending(store)).length, 2, 'after the call: the next e-mail, and the call that may interrupt it')
  t.strictSame(await broken(store), [])
})

test('R14: a chat in hand keeps calls away, whatever may be interrupted, and full of e-mail does not', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support', { interruptible: ['email'] })] })
  t.teardown(() => here.stop())
  const give = async (kind: 'email' | 'webchat', name: string): Promise<void> => {
    const { conversation } = await enqueue(store, here, { kind })
    await here.work.claim(conversation, name, { actor: { kind: 'agent', id: name } })
  }
  await agent(store, here, 'chatting')
  await give('webchat', 'chatting')
  await enqueue(store, here, { kind: 'voice' })
  await dispatch(here)
  t.strictSame(await pending(store), [])
  await agent(store, here, 'mailing', { status: null })
  for (let n = 0; n < 10; n++) await give('email', 'mailing')
  await here.presence.connected({ id: crypto.randomUUID(), agent: 'mailing' })
  await here.presence.set('mailing', { status: 'online' }, { actor: { kind: 'agent', id: 'mailing' } })
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'mailing' }])
  t.strictSame(await broken(store), [])
})

test('R60: soft changes during an offer keep it; a hard skill the agent lacks takes it back', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  const lead = { actor: { kind: 'agent', id: 'lead' } } as const
  await agent(store, here, 'a', { skills: { billing: 3 }, lastAssigned: '2026-01-01T09:00:00Z' })
  await agent(store, here, 'b', { skills: { billing: 3, pci: 5 }, lastAssigned: '2026-01-02T09:00:00Z' })
  const { item: id, conversation } = await enqueue(store, here)
  await dispatch(here)
  const first = await pending(store)
  t.match(first, [{ agent_id: 'a' }])
  await store.pool.query(`update conversation set tags = '{complaint}', priority = 'high' where id = $1`, [
    conversation,
  ])
  await here.work.require(conversation, { billing: 2 }, lead)
  await here.sweep()
  await here.settled()
  t.strictSame(await pending(store), first, 'tags, priority, a skill the agent has: kept')

  await here.work.require(conversation, { pci: 4, billing: 1 }, lead)
  await here.settled()
  t.match(await pending(store), [{ agent_id: 'b' }], 'and somebody who has it is asked')
  t.match(await item(store, id), { skills: { billing: 2, pci: 4 } })
  t.match(await load(store, 'a'), { reserved: 0, by_channel: {} })
  t.match(
    here.events.filter((event) => event.type === 'offer.rescinded'),
    [{ agent: 'a', data: { reason: 'item_changed' } }],
  )
  await here.work.accept((await pending(store))[0]?.id ?? '', 'b', 'c')
  await here.work.require(conversation, { finnish: 5 }, lead)
  t.match(await item(store, id), { state: 'assigned', assignee: 'b' }, 'who has it keeps it')
  await here.work.complete(conversation, null, lead)
  await t.rejects(here.work.require(conversation, { pci: 4 }, lead), { code: 'TL_COMMAND_CONFLICT' })
  t.strictSame(await broken(store), [])
})

test('R64: a node whose clock is five seconds ahead ends no offer early', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, {
    clock: { now: () => Date.now() + 5_000 },
    queues: [queue('support', { offerSeconds: 4 })],
  })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await enqueue(store, here)
  await dispatch(here)
  const [offer] = await pending(store)
  await here.sweep()
  await here.run('offer.expire', { offer: offer?.id })
  t.match(await here.work.offersOf('a'), [{ id: offer?.id, state: 'pending' }])
  await here.work.accept(offer?.id ?? '', 'a', 'c')
  t.strictSame(await here.work.offersOf('a'), [], 'what is accepted waits for no answer')
  t.match(await load(store, 'a'), { active: 25 })
  t.equal(here.events.filter((event) => event.type === 'offer.expired').length, 0)
})
