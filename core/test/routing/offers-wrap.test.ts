import { test } from 'tap'
import type { Store } from '../../src/store/store.js'
import { withDatabase } from '../support/database.js'
import { agent, broken, dispatch, enqueue, item, load, node, offers, pending, queue, type TestNode } from './harness.js'

const by = { actor: { kind: 'agent', id: 'a' } } as const
const queues = [queue('support', { wrapUpSeconds: 30 })]

/** One chat, accepted and completed. */
async function wrapping(store: Store, here: TestNode) {
  await agent(store, here, 'a', { capacity: 25 })
  const chat = await enqueue(store, here)
  await dispatch(here)
  await here.work.accept((await pending(store))[0]?.id ?? '', 'a', 'c')
  await here.work.complete(chat.conversation, 'solved', by)
  await here.settled()
  return chat
}

async function timePasses(store: Store): Promise<void> {
  await store.pool.query(`update work_item set wrap_until = wrap_until - interval '30 s' where state = 'wrapping'`)
}

test('R63: units are held during the wrap-up, and released at its end with the browser closed', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  const first = await wrapping(store, here)
  t.match(await item(store, first.item), { state: 'wrapping', assignee: 'a' })
  t.match(await offers(store), [{ state: 'wrapping' }])
  t.match(await load(store, 'a'), { active: 25, by_channel: { webchat: 1 } })
  const wrap = here.jobs.find((job) => job.task === 'work.wrap')
  const until = (await item(store, first.item))['wrap_until'] as Date
  t.ok((wrap?.runAt?.getTime() ?? 0) >= until.getTime(), 'a job hints at the end')
  const second = await enqueue(store, here)
  await dispatch(here)
  t.strictSame(await pending(store), [], 'no room meanwhile')
  await here.run('work.wrap', {})
  t.match(await item(store, first.item), { state: 'wrapping' }, 'a job that comes too early changes nothing')

  const { rows } = await store.pool.query<{ id: string }>(`select id from presence_session`)
  await here.presence.disconnected(rows[0]?.id ?? '', false)
  await timePasses(store)
  await here.run('work.wrap', {})
  await here.run('work.wrap', {})
  await here.settled()
  t.match(await item(store, first.item), { state: 'done', assignee: 'a' })
  t.match(await offers(store, `item_id = '${first.item}'`), [{ state: 'completed' }])
  t.match(await load(store, 'a'), { active: 0, by_channel: {} })
  t.match(
    here.events.filter((event) => event.type === 'work.completed'),
    [{ conversation: first.conversation, data: { outcome: 'done', agent: 'a', disposition: 'solved' } }],
    'said once',
  )
  t.match(await item(store, second.item), { state: 'queued' })
  t.strictSame(await broken(store), [])
})

test('R63: the sweep ends a wrap-up that no job reached, and the next one is offered', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  await wrapping(store, here)
  const second = await enqueue(store, here)
  await timePasses(store)
  await here.sweep()
  await here.settled()
  t.match(await pending(store), [{ item_id: second.item, agent_id: 'a' }])
  t.match(await load(store, 'a'), { reserved: 25, active: 0 })
  t.strictSame(await broken(store), [])
})

test('R63: the agent ends the wrap-up early by completing again, and may change what was said', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  const { item: id, conversation } = await wrapping(store, here)
  const resolve = () => store.db.transaction().execute((trx) => here.work.end(trx, conversation, 'done', by))
  t.strictSame(await resolve(), [], 'resolving the conversation meanwhile does not end it')
  await here.work.complete(conversation, 'refunded', by)
  t.match(await item(store, id), { state: 'done', wrap_disposition: 'refunded' })
  t.match(await load(store, 'a'), { active: 0, by_channel: {} })
  await here.work.complete(conversation, null, by)
  t.equal(here.events.filter((event) => event.type === 'work.completed').length, 1)
  t.strictSame(await broken(store), [])
})

test('a customer who writes during the wrap-up is the same agent’s work again', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  const { item: id, conversation } = await wrapping(store, here)
  await store.pool.query(`update conversation set last_inbound_at = now(), waiting_since = now() where id = $1`, [
    conversation,
  ])
  await timePasses(store)
  await here.sweep()
  t.match(await item(store, id), { state: 'assigned', assignee: 'a', wrap_until: null })
  t.match(await offers(store), [{ state: 'accepted' }])
  t.match(await load(store, 'a'), { active: 25 })
  t.strictSame(await broken(store), [])
})

test('what the engine ends, and what nobody had, is not wrapped up', async (t) => {
  const store = await withDatabase(t)
  const here = node(store, { queues })
  t.teardown(() => here.stop())
  await agent(store, here, 'a')
  const chat = await enqueue(store, here)
  await here.work.claim(chat.conversation, 'a', by)
  await here.work.complete(chat.conversation, null, { actor: { kind: 'system', id: null } })
  t.match(await item(store, chat.item), { state: 'done' })
  const waiting = await enqueue(store, here)
  await here.work.complete(waiting.conversation, null, by)
  t.match(await item(store, waiting.item), { state: 'cancelled' })
  t.strictSame(await broken(store), [])
})
