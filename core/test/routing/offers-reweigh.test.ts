import { test } from 'tap'
import type { ChannelKind } from '../../src/config/contract.js'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending, type TestNode } from './harness.js'

async function inHand(store: Store, here: TestNode, kinds: readonly ChannelKind[]) {
  const made = []
  for (const kind of kinds) {
    const one = await enqueue(store, here, { kind })
    await here.work.claim(one.conversation, 'a', { actor: { kind: 'agent', id: 'a' } })
    made.push(one)
  }
  return made
}

async function waitsForCustomer(store: Store, conversation: string, minutes: number): Promise<void> {
  await store.pool.query(
    `update conversation set waiting_since = null, last_message_at = now() - make_interval(mins => $2) where id = $1`,
    [conversation, minutes],
  )
}

async function customerWrites(store: Store, conversation: string): Promise<void> {
  await store.pool.query(
    `update conversation set waiting_since = now(), last_message_at = now(), last_inbound_at = now() where id = $1`,
    [conversation],
  )
}

test('R17 R18: a message that waits for its customer counts 5, and in full again when the customer writes', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  // 20 × 4 and 20 in e-mails: 100 of 100.
  const held = await inHand(store, here, ['messaging', 'messaging', 'messaging', 'messaging', 'email', 'email'])
  const idle = held[0]?.conversation ?? ''
  await waitsForCustomer(store, idle, 11)
  await waitsForCustomer(store, held[1]?.conversation ?? '', 9)
  await store.pool.query(
    `update conversation set waiting_since = now() - interval '1 h', last_message_at = now() - interval '1 h' where id = $1`,
    [held[2]?.conversation],
  )
  t.match(await load(store, 'a'), { active: 100 })
  const chat = await enqueue(store, here, { agoS: 30 })
  const mail = await enqueue(store, here, { kind: 'email' })
  await here.sweep()
  await here.settled()
  t.match(await load(store, 'a'), { active: 85, reserved: 10 }, 'only the one that waits longer than ten minutes')
  t.match(
    (await pending(store)).map((offer) => offer.item_id),
    [mail.item],
    'no chat (25 > 15), the e-mail yes',
  )
  t.match(await item(store, chat.item), { state: 'queued' })
  t.strictSame(await broken(store), [])

  await here.work.accept((await pending(store))[0]?.id ?? '', 'a', 'c')
  t.match(await load(store, 'a'), { active: 95 })
  await customerWrites(store, idle)
  here.heard([{ type: 'message.inbound' }])
  await here.settled()
  t.match(await load(store, 'a'), { active: 110, reserved: 0 }, 'above capacity')
  t.match(await item(store, held[0]?.item ?? ''), { state: 'assigned', assignee: 'a' }, 'it stays where it is')
  await enqueue(store, here, { kind: 'email' })
  await dispatch(here)
  t.strictSame(await pending(store), [], 'nothing new until it fits')
  t.match(
    here.events.filter((event) => event.type === 'work.reweighed').map((event) => event.data),
    [
      { agent: 'a', from: 20, units: 5, reason: 'waiting_for_customer' },
      { agent: 'a', from: 5, units: 20, reason: 'reactivated' },
    ],
  )
  t.strictSame(await broken(store), [])
})

test('R18: the sweep brings back what no event told of, and twice is once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const [one] = await inHand(store, here, ['messaging'])
  await waitsForCustomer(store, one?.conversation ?? '', 11)
  await here.sweep()
  await here.sweep()
  t.match(await load(store, 'a'), { active: 5 })
  await customerWrites(store, one?.conversation ?? '')
  await Promise.all([here.sweep(), here.sweep()])
  t.match(await load(store, 'a'), { active: 20 })
  t.strictSame(await broken(store), [])
})

test('what counts less is released, and goes to others, in full', async (t) => {
  const store = await withDatabase(t)
  const here = node(store)
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const [one, two] = await inHand(store, here, ['messaging', 'messaging'])
  for (const made of [one, two]) await waitsForCustomer(store, made?.conversation ?? '', 60)
  await here.sweep()
  t.match(await load(store, 'a'), { active: 10 })
  const by = { actor: { kind: 'agent', id: 'a' } } as const
  await here.work.complete(one?.conversation ?? '', null, by)
  t.match(await load(store, 'a'), { active: 5, by_channel: { messaging: 1 } })
  await agent(store, here, 'b')
  await here.work.transfer(two?.conversation ?? '', { agent: 'b' }, null, by)
  t.match(await load(store, 'a'), { active: 0, by_channel: {} })
  t.match(await load(store, 'b'), { reserved: 20 })
  t.equal((await offers(store, `state = 'pending'`)).length, 1)
  t.strictSame(await broken(store), [])
})

test('with idleMinutes 0 everything counts in full for ever', async (t) => {
  const store = await withDatabase(t)
  const workforce = { shiftEndMinutes: 15, atShiftEnd: 'keep', ownerGraceMinutes: 15, idleMinutes: 0 } as const
  const here = node(store, { config: { workforce } })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const [one] = await inHand(store, here, ['messaging'])
  await waitsForCustomer(store, one?.conversation ?? '', 6_000)
  await here.sweep()
  t.match(await load(store, 'a'), { active: 20 })
})
