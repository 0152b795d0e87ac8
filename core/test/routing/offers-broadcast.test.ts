import { test } from 'tap'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending, queue, runOut } from './harness.js'

const queues = [queue('support', { offer: 'broadcast' })]

test('R43: of several agents asked at once the first to accept wins, and the others are released with it', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  for (const name of ['a', 'b', 'c']) await agent(store, here, name)
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  const asked = await pending(store)
  t.strictSame(asked.map((offer) => offer.agent_id).toSorted(), ['a', 'b', 'c'])
  for (const name of ['a', 'b', 'c']) t.match(await load(store, name), { reserved: 25 })
  const of = (name: string): string => asked.find((offer) => offer.agent_id === name)?.id ?? ''
  await here.work.accept(of('b'), 'b', 'c1')
  t.match(await item(store, id), { state: 'assigned', assignee: 'b' })
  t.match(await offers(store, `agent_id <> 'b'`), [
    { state: 'rescinded', reason: 'taken' },
    { state: 'rescinded', reason: 'taken' },
  ])
  t.match(await load(store, 'b'), { reserved: 0, active: 25 })
  for (const name of ['a', 'c']) t.match(await load(store, name), { reserved: 0, active: 0, by_channel: {} })
  await t.rejects(here.work.accept(of('a'), 'a', 'c2'), { code: 'TL_OFFER_ALREADY_TAKEN' })
  t.strictSame(await broken(store), [])
})

test('R43: all accept at the same moment, one has it', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await agent(store, here, name)
  for (let round = 0; round < 5; round++) {
    await enqueue(store, here)
    await dispatch(here)
    const asked = await pending(store)
    t.equal(asked.length, 5, 'no more than five are asked')
    const answers = await Promise.allSettled(asked.map((one) => here.work.accept(one.id, one.agent_id, `c${round}`)))
    t.equal(answers.filter((answer) => answer.status === 'fulfilled').length, 1)
    t.strictSame(await broken(store), [])
  }
})

test('the item waits again only when the last one asked has declined, and nobody who did is asked at once', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues: [queue('support', { offer: 'broadcast', broadcastTo: 2 })] })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await agent(store, here, 'b')
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  const [one, two] = await pending(store)
  await here.work.decline(one?.id ?? '', one?.agent_id ?? '', null, 'c1')
  await here.settled()
  t.match(await item(store, id), { state: 'offered' })
  t.match(await pending(store), [{ id: two?.id }])
  t.equal(here.events.filter((event) => event.type === 'work.queued').length, 0)
  await here.work.decline(two?.id ?? '', two?.agent_id ?? '', null, 'c2')
  await here.settled()
  const after = await item(store, id)
  t.match(after, { state: 'queued' })
  t.strictSame(Object.keys(after['excluded'] as object).toSorted(), ['a', 'b'], 'both are remembered')
  t.strictSame(await pending(store), [])
  t.equal(here.events.filter((event) => event.type === 'work.queued').length, 1)
  await agent(store, here, 'c')
  await dispatch(here)
  t.match(await pending(store), [{ agent_id: 'c' }])
  t.strictSame(await broken(store), [])
})

test('a broadcast that runs out is queued once, and everybody counts it', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  await agent(store, here, 'b')
  const { item: id } = await enqueue(store, here)
  await dispatch(here)
  const before = (await item(store, id))['epoch'] as number
  await store.pool.query(`update presence_session set lost_at = now()`)
  await runOut(store)
  await here.sweep()
  await here.settled()
  t.match(await item(store, id), { state: 'queued', epoch: before + 1 })
  t.equal(here.events.filter((event) => event.type === 'work.queued').length, 1)
  t.equal(here.events.filter((event) => event.type === 'offer.expired').length, 2)
  t.strictSame(await broken(store), [])
})
